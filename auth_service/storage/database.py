"""Open the service's database, and raise StoreUnavailable for the errors that mean that it is unavailable."""

from typing import cast

from flask import Flask
from sqlalchemy import Engine, ExceptionContext, PoolProxiedConnection, QueuePool, event, select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from auth_service.storage.models import Database, UserRow, db
from auth_service.store_errors import StoreUnavailable
from chassis.sql.engine import database_reason, engine_options, prepare_engine


class StorePool(QueuePool):
    """A connection pool that raises StoreUnavailable if no connection becomes free in time."""

    def connect(self) -> PoolProxiedConnection:
        """Return a connection from the pool. Raises StoreUnavailable."""
        try:
            return super().connect()
        except PoolTimeout as error:
            raise StoreUnavailable(str(error)) from error


def open_database(app: Flask, url: str, threads: int) -> Engine:
    """Configure the database of `app` with a connection for each of `threads`, and return its engine.

    Statements raise StoreUnavailable while the database does not answer.
    """
    options = {**engine_options(url, threads), "poolclass": StorePool}
    app.config.update(SQLALCHEMY_DATABASE_URI=url, SQLALCHEMY_ENGINE_OPTIONS=options)
    db.init_app(app)
    with app.app_context():
        engine = db.engine
    prepare_engine(engine)
    event.listen(engine, "handle_error", _raise_store_unavailable)
    return engine


def current_database() -> Database:
    """Return a proxy: each call on it uses the SQLAlchemy session of the application context at that time."""
    return cast(Database, db.session)


def check_database_answers() -> None:
    """Read from a table. Raises StoreUnavailable if the database does not answer, another error without the table."""
    db.session.execute(select(UserRow.id).limit(1))


def release_connection() -> None:
    """Return the connection of the current application context to the pool, if it has one."""
    database = current_database()
    if database.registry.has():
        database.close()


def _raise_store_unavailable(context: ExceptionContext) -> None:
    error = context.sqlalchemy_exception
    # The pool reconnects if its check of a connection (pre-ping) gets the original error.
    if isinstance(error, OperationalError | InterfaceError) and not context.is_pre_ping:
        raise StoreUnavailable(database_reason(error)) from error
