"""Owns how a service reaches SQL: which URLs it takes, and how SQLite is told to behave like a server's database."""

import sqlite3
from functools import partial
from typing import Any

import structlog
from flask import Flask
from sqlalchemy import Dialect, Engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from chassis.database_file import follow_database_file
from chassis.sqlite_writers import BUSY_TIMEOUT, ConnectionInTurn
from chassis.write_lock import WriteLock

_log = structlog.get_logger("database")


def database_url(text: str) -> str:
    """`text` as SQLAlchemy wants it: postgres:// and postgresql:// go to psycopg 3. Raises ValueError."""
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise ValueError("is no database URL") from error
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("postgresql+psycopg", "sqlite"):
        raise ValueError("must be a sqlite: or postgresql: URL")
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        raise ValueError("must name a file: each process and thread would have a memory of its own")
    return url.render_as_string(hide_password=False)


def engine_options(url: str, threads: int) -> dict[str, Any]:
    """What to give create_engine for `url`, so that no call waits long and a restarted server is found again.

    Each of `threads` can have a connection. Errors do not show a statement's values, which are people's addresses,
    hashes and notes.
    """
    options: dict[str, Any] = {"hide_parameters": True, "pool_size": threads, "max_overflow": 0, "pool_timeout": 5}
    if not url.startswith("postgresql"):
        return options
    return options | {
        "pool_pre_ping": True,
        "connect_args": {"connect_timeout": 3, "options": "-c statement_timeout=10000"},
    }


def prepare_engine(engine: Engine) -> None:
    """SQLite only: write-ahead log, foreign keys, writers that queue instead of failing, for 5 s at most.

    Readers and a writer do not wait for each other.
    """
    if engine.dialect.name != "sqlite":
        return
    turns = WriteLock()

    @event.listens_for(engine, "do_connect")
    def connect_in_turn(_: Dialect, __: ConnectionPoolEntry, ___: list[Any], options: dict[str, Any]) -> None:
        options["factory"] = partial(ConnectionInTurn, turns)

    event.listen(engine, "connect", _on_connect)
    follow_database_file(engine)


def database_reason(error: BaseException) -> str:
    """Return the driver's own words, on one line. SQLAlchemy's show the statement and what people wrote in it."""
    cause = (isinstance(error, DBAPIError) and error.orig) or error
    return " ".join(str(cause).split()) or type(cause).__name__


def close_database_of(worker: Any) -> None:
    """Close the idle connections of a gunicorn worker that ends. A worker that could not start has no application.

    On SQLite the write-ahead log is copied into the database file first, so that after a clean stop a backup is one
    file. Where another process still uses the database, its own end does the copying.
    """
    app = getattr(worker, "wsgi", None)
    if not isinstance(app, Flask):
        return
    with app.app_context():
        engine: Engine = app.extensions["sqlalchemy"].engine
    if engine.dialect.name == "sqlite":
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        except (DBAPIError, PoolTimeout) as error:
            _log.warning("sqlite_checkpoint_failed", reason=str(error))
    engine.dispose()


def _on_connect(connection: Any, _: object) -> None:
    if not isinstance(connection, sqlite3.Connection):
        raise TypeError(f"expected a SQLite connection, not {type(connection).__name__}")
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # NORMAL may lose the last commits at a power cut, FULL may not: a refresh that was answered must be recorded.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT * 1000:.0f}")
    cursor.close()
