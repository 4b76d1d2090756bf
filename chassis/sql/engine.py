"""SQL engines: accepted URLs, connection pools and timeouts, and SQLite settings for concurrent use."""

import sqlite3
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Dialect, Engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from chassis.sql.replaced_file import reconnect_if_replaced
from chassis.sql.sqlite_connection import BUSY_TIMEOUT, SerializedConnection
from chassis.sql.write_lock import WriteLock

_log = structlog.get_logger("database")


def database_url(text: str) -> str:
    """Return `text` as a SQLAlchemy URL: postgres:// and postgresql:// use psycopg 3. Raises ValueError."""
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise ValueError("is not a database URL") from error
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("postgresql+psycopg", "sqlite"):
        raise ValueError("must be a sqlite: or postgresql: URL")
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        raise ValueError("must name a file: with an in-memory database each connection would have its own data")
    return url.render_as_string(hide_password=False)


_LOST_CONNECTION = {
    # Milliseconds. Without it a statement waits in the kernel for a quarter of an hour, and is executed when a
    # partition ends: long after its client has given up and repeated the request elsewhere.
    "tcp_user_timeout": 5000,
    # Seconds, and probes: for a server that is lost while it executes a statement.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
"""When a connection to PostgreSQL counts as lost: parameters of libpq, which ignores them for unix sockets."""


def engine_options(url: str, threads: int) -> dict[str, Any]:
    """Return the options of create_engine for `url`.

    The pool has one connection for each of `threads`; a thread waits at most 5 seconds for one. On PostgreSQL,
    connecting takes at most 3 seconds and a statement 10, and a broken connection is replaced before it is used. A
    server that acknowledges nothing for 5 seconds counts as lost.

    Errors do not show the parameters of a statement, because these contain personal data and password hashes.
    """
    options: dict[str, Any] = {"hide_parameters": True, "pool_size": threads, "max_overflow": 0, "pool_timeout": 5}
    if not url.startswith("postgresql"):
        return options
    return options | {
        "pool_pre_ping": True,
        "connect_args": {"connect_timeout": 3, "options": "-c statement_timeout=10000", **_LOST_CONNECTION},
    }


def prepare_engine(engine: Engine) -> None:
    """Set up SQLite for concurrent use: write-ahead log, foreign keys, writers that queue for at most 5 seconds.

    Readers do not wait for a writer, nor a writer for readers. Other databases need no preparation.
    """
    if engine.dialect.name != "sqlite":
        return
    write_lock = WriteLock()

    @event.listens_for(engine, "do_connect")
    def use_serialized_connection(
        _: Dialect, __: ConnectionPoolEntry, ___: list[Any], options: dict[str, Any]
    ) -> None:
        options["factory"] = partial(SerializedConnection, write_lock)

    event.listen(engine, "connect", _set_pragmas)
    reconnect_if_replaced(engine)


def database_reason(error: BaseException) -> str:
    """Return the driver's message on one line. The message of SQLAlchemy would also show the statement."""
    cause = (isinstance(error, DBAPIError) and error.orig) or error
    return " ".join(str(cause).split()) or type(cause).__name__


def close_database_of(worker: Any) -> None:
    """Close the database connections of a gunicorn worker that stops.

    On SQLite, copy the write-ahead log into the database file first (a checkpoint), so that after a clean stop the
    database is one file. If another process still uses the database, that process does it when it stops.
    """
    # Imported here, because commands that only check a database would need 0.1 s for it.
    from flask import Flask

    # A worker that failed to start has no application.
    app = getattr(worker, "wsgi", None)
    if not isinstance(app, Flask):
        return
    with app.app_context():
        engine: Engine = app.extensions["sqlalchemy"].engine
    if engine.dialect.name == "sqlite":
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        except Exception as error:  # noqa: BLE001 - a service may translate the errors of its engine
            _log.warning("sqlite_checkpoint_failed", error=str(error))
    engine.dispose()


def _set_pragmas(connection: Any, _: object) -> None:
    if not isinstance(connection, sqlite3.Connection):
        raise TypeError(f"expected a SQLite connection, not {type(connection).__name__}")
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # With NORMAL a power failure can lose the last commits. A rotation must be on disk before its response is sent.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT * 1000:.0f}")
    cursor.close()
