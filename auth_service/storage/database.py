"""The service's database: how it is opened, and which of its errors mean that it is unavailable."""

from typing import cast

from flask import Flask
from sqlalchemy import Engine, ExceptionContext, event, select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from auth_service.storage.models import Database, UserRow, db
from auth_service.store_errors import StoreUnavailable
from chassis.sql.engine import database_reason, prepare_engine

POOL_TIMEOUT = PoolTimeout
"""Raised by SQLAlchemy itself if no connection becomes free in time; no engine event sees it."""


def open_database(app: Flask) -> Engine:
    """Configure the database of `app` and return its engine, whose failures raise StoreUnavailable."""
    db.init_app(app)
    with app.app_context():
        engine = db.engine
    prepare_engine(engine)
    event.listen(engine, "handle_error", _raise_store_unavailable)
    return engine


def current_database() -> Database:
    """Return the SQLAlchemy session that belongs to the current application context."""
    return cast(Database, db.session)


def check_database_answers() -> None:
    """Read from a table. Raises an error if the database does not answer or has no tables."""
    db.session.execute(select(UserRow.id).limit(1))


def release_connection() -> None:
    """Give the connection of the current application context back to the pool, if it uses one."""
    database = current_database()
    if database.registry.has():
        database.close()


def _raise_store_unavailable(context: ExceptionContext) -> None:
    error = context.sqlalchemy_exception
    # The pool's own check of a connection expects the original error, after which it reconnects.
    if isinstance(error, OperationalError | InterfaceError) and not context.is_pre_ping:
        raise StoreUnavailable(database_reason(error)) from error
