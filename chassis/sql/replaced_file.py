"""Detect that a SQLite file was replaced, and reconnect.

A file that is moved or replaced by a backup stays open in existing connections. Without this check they would keep
reading old data, and their writes would be lost.
"""

import os
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

_FILE = "database file"


def reconnect_if_replaced(engine: Engine) -> None:
    """Discard a pooled connection on checkout if the file at its path is no longer the one it opened. SQLite only."""
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
