"""SQLite connections whose writes are serialized with a lock, so that concurrent writers wait in order.

SQLite allows one writer at a time. Its own busy handler polls with delays of up to 100 ms, so a later writer often
writes first. Under load some writers then fail with `database is locked`. Reads need no lock.
"""

import sqlite3
import time
from collections.abc import Iterable
from typing import Any, TypeVar

from chassis.sql.write_lock import WriteLock, process_lock, retry_delays

BUSY_TIMEOUT = 5.0
"""Seconds that a writer waits before it fails with `database is locked`."""

_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLAC")
"""The first six letters of the statements before which Python's sqlite3 module begins a transaction."""

SomeCursor = TypeVar("SomeCursor", bound=sqlite3.Cursor)


class SerializedConnection(sqlite3.Connection):
    """A connection that acquires the write lock when a write transaction begins, and releases it when it ends."""

    def __init__(self, write_lock: WriteLock, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._write_lock = write_lock
        self._holds_lock = False
        self._file = str(super().cursor().execute("PRAGMA database_list").fetchone()[2])

    def cursor(self, factory: Any = None) -> Any:
        """Return a cursor that acquires the write lock when a statement needs it."""
        return super().cursor(factory or _SerializedCursor)

    def commit(self) -> None:
        """Commit the transaction. If that fails, the lock is held until `rollback`."""
        super().commit()
        self._release_lock()

    def rollback(self) -> None:
        """Roll the transaction back."""
        try:
            super().rollback()
        finally:
            self._release_lock()

    def close(self) -> None:
        """Close the connection and roll back an open transaction."""
        try:
            super().close()
        finally:
            self._release_lock()

    def begin_if_write(self, statement: str) -> None:
        """Begin a transaction if `statement` writes. Raises sqlite3.OperationalError after BUSY_TIMEOUT seconds."""
        if self.in_transaction or self.isolation_level is None or not _is_write(statement):
            return
        deadline = time.monotonic() + BUSY_TIMEOUT
        if not self._holds_lock and not self._write_lock.acquire(deadline):
            raise _locked()
        self._holds_lock = True
        try:
            # Released after BEGIN IMMEDIATE: from then on SQLite's own lock excludes the other processes.
            with process_lock(f"{self._file}-turn", deadline):
                self._begin(deadline)
        except BaseException:
            self._release_lock()
            raise

    def _begin(self, deadline: float) -> None:
        # Without SQLite's busy handler, which sleeps longer than most transactions take.
        cursor = super().cursor()
        cursor.execute("PRAGMA busy_timeout=0")
        try:
            for _ in retry_delays(deadline):
                try:
                    cursor.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                        raise
                else:
                    return
            raise _locked()
        finally:
            cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT * 1000:.0f}")

    def _release_lock(self) -> None:
        if self._holds_lock:
            self._holds_lock = False
            self._write_lock.release()


class _SerializedCursor(sqlite3.Cursor):
    connection: SerializedConnection

    def execute(self, statement: str, parameters: Any = ()) -> "_SerializedCursor":
        self.connection.begin_if_write(statement)
        super().execute(statement, parameters)
        return self

    def executemany(self, statement: str, parameters: Iterable[Any]) -> "_SerializedCursor":
        self.connection.begin_if_write(statement)
        super().executemany(statement, parameters)
        return self


def _locked() -> sqlite3.OperationalError:
    return sqlite3.OperationalError("database is locked")  # the message of SQLite itself


def _is_write(statement: str) -> bool:
    return statement.lstrip()[:6].upper() in _WRITES
