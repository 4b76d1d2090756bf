"""Runs the migrations on the application's own engine, in one transaction."""

from typing import Any

from alembic import context
from flask import current_app

from resource_service.database_models import db


def _is_ours(name: str | None, kind: str, _: Any) -> bool:
    # Another service's tables may stand in the same database; comparing must not offer to drop them.
    return kind != "table" or name in db.metadata.tables


with db.engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        include_name=_is_ours,
        **current_app.extensions["migrate"].configure_args,
    )
    with context.begin_transaction():
        context.run_migrations()
