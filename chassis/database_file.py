"""Owns that a connection to SQLite is one to the file that stands at its path, not to one that stood there before.

A file that is moved away, or replaced by a backup, lives on unseen in the connections that hold it open: what they
record then is lost, and what they read is old.
"""

import os
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

_FILE = "database file"


def follow_database_file(engine: Engine) -> None:
    """Opens the file anew when it is another one than a pooled connection has open. SQLite only."""
    path = engine.url.database
    if engine.dialect.name != "sqlite" or not path or path == ":memory:":
        return

    @event.listens_for(engine, "connect")
    def remember(_: Any, entry: ConnectionPoolEntry) -> None:
        entry.info[_FILE] = _identity(path)

    @event.listens_for(engine, "checkout")
    def compare(_: Any, entry: ConnectionPoolEntry, __: Any) -> None:
        if entry.info.get(_FILE) != _identity(path):
            raise DisconnectionError  # the pool answers this with a new connection


def _identity(path: str) -> tuple[int, int] | None:
    try:
        file = os.stat(path)
    except OSError:
        return None
    return file.st_dev, file.st_ino
