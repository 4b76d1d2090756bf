"""Run the migrations with the application's engine, in one transaction."""

from typing import Any

from alembic import context
from flask import current_app

from auth_service.storage.models import db


def _is_own_table(name: str | None, kind: str, _: Any) -> bool:
    # Other services may have tables in the same database. `make migration` must not propose to drop them.
    return kind != "table" or name in db.metadata.tables


with db.engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        include_name=_is_own_table,
        **current_app.extensions["migrate"].configure_args,
    )
    with context.begin_transaction():
        context.run_migrations()
