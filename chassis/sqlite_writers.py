"""Owns when a connection to SQLite may write: in turns, so that whoever waits is not overtaken for ever.

SQLite has one writer at a time, and lets those who wait for it look again after pauses that grow to 100 ms. Whoever
comes meanwhile is faster: under load some wait for seconds and are then refused, while others never wait. Reading
takes no turn.
"""

import sqlite3
import time
from collections.abc import Iterable
from typing import Any, TypeVar

from chassis.write_lock import WriteLock, ahead_of_other_processes, pauses

BUSY_TIMEOUT = 5.0
"""Seconds that a writer waits at most, before it is told that the database is locked."""

_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLAC")
"""How the statements begin before which Python's sqlite3 begins a transaction."""

SomeCursor = TypeVar("SomeCursor", bound=sqlite3.Cursor)


class ConnectionInTurn(sqlite3.Connection):
    """A connection whose transactions begin with the turn to write, and give it back when they end."""

    def __init__(self, turns: WriteLock, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._turns = turns
        self._has_turn = False
        self._file = str(super().cursor().execute("PRAGMA database_list").fetchone()[2])

    def cursor(self, factory: Any = None) -> Any:
        """A cursor that waits for the turn where it must."""
        return super().cursor(factory or _CursorInTurn)

    def commit(self) -> None:
        """Ends the transaction. Where that fails, the turn is kept until `rollback`."""
        super().commit()
        self._give_back()

    def rollback(self) -> None:
        """Ends the transaction."""
        try:
            super().rollback()
        finally:
            self._give_back()

    def close(self) -> None:
        """Ends the transaction, if there is one."""
        try:
            super().close()
        finally:
            self._give_back()

    def prepare_for(self, statement: str) -> None:
        """Begins a transaction where `statement` needs one. Raises sqlite3.OperationalError after BUSY_TIMEOUT."""
        if self.in_transaction or self.isolation_level is None or not _is_write(statement):
            return
        deadline = time.monotonic() + BUSY_TIMEOUT
        if not self._has_turn and not self._turns.take(deadline):
            raise _locked()
        self._has_turn = True
        try:
            with ahead_of_other_processes(f"{self._file}-turn", deadline):
                self._begin(deadline)
        except BaseException:
            self._give_back()
            raise

    def _begin(self, deadline: float) -> None:
        # SQLite's own way of waiting sleeps for longer than most transactions take.
        cursor = super().cursor()
        cursor.execute("PRAGMA busy_timeout=0")
        try:
            for _ in pauses(deadline):
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

    def _give_back(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._turns.give_back()


class _CursorInTurn(sqlite3.Cursor):
    connection: ConnectionInTurn

    def execute(self, statement: str, parameters: Any = ()) -> "_CursorInTurn":
        self.connection.prepare_for(statement)
        super().execute(statement, parameters)
        return self

    def executemany(self, statement: str, parameters: Iterable[Any]) -> "_CursorInTurn":
        self.connection.prepare_for(statement)
        super().executemany(statement, parameters)
        return self


def _locked() -> sqlite3.OperationalError:
    return sqlite3.OperationalError("database is locked")  # as SQLite itself says it


def _is_write(statement: str) -> bool:
    return statement.lstrip()[:6].upper() in _WRITES
