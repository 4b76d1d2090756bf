"""Detect that a SQLite file was moved or replaced, for example by a backup, and open the new file.

Existing connections keep the old file open. Without this check they would read old data, and their writes would be
lost.
"""

import os
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

_FILE_ID = "file id"
"""The key in a pooled connection's `info`."""


def reconnect_if_replaced(engine: Engine) -> None:
    """Replace a pooled connection on checkout if its file is no longer the file at its path. SQLite only."""
    path = engine.url.database
    if engine.dialect.name != "sqlite" or not path or path == ":memory:":
        return

    @event.listens_for(engine, "connect")
    def remember(_: Any, entry: ConnectionPoolEntry) -> None:
        entry.info[_FILE_ID] = _file_id(path)

    @event.listens_for(engine, "checkout")
    def compare(_: Any, entry: ConnectionPoolEntry, __: Any) -> None:
        if entry.info.get(_FILE_ID) != _file_id(path):
            raise DisconnectionError  # the pool opens a new connection then


def _file_id(path: str) -> tuple[int, int] | None:
    """Return device and inode, or None if there is no file."""
    try:
        file = os.stat(path)
    except OSError:
        return None
    return file.st_dev, file.st_ino
