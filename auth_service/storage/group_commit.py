"""Owns when a write is committed: alone, or together with those of other threads.

A commit of SQLite is a wait for the disk, and commits come one after the other; a refresh that shares it with whoever
else is waiting costs a part of it and is as durable. PostgreSQL does the same by itself.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine

from auth_service.storage.models import Database

MOST = 64
"""Writes in one commit."""

Result = TypeVar("Result")
Write = Callable[[Connection], Result]
"""Statements that fail only when the database does. Run by whichever thread; may be run beside others'."""


class Commits(Protocol):
    """Runs a write and returns once it is committed."""

    def run(self, write: Write[Result]) -> Result:
        """What `write` gives. Raises what it or the commit raises: then nothing was written."""


class SeparateCommits:
    """Every write is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self, write: Write[Result]) -> Result:
        """What `write` gives, once it is committed."""
        result = write(self._database.connection())
        self._database.commit()
        return result


@dataclass(slots=True)
class _Waiting:
    write: Write[Any]
    is_done: bool = False
    result: Any = None
    error: BaseException | None = None


class GroupCommit:
    """Whoever's turn it is runs the writes of all who wait, in one transaction: it stands, or falls, for all of them.

    Whoever waits should hold no connection, since the one whose turn it is needs one. Safe for threads.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = threading.Lock()
        self._queue: deque[_Waiting] = deque()

    def run(self, write: Write[Result]) -> Result:
        """What `write` gives, once it is committed."""
        own = _Waiting(write)
        self._queue.append(own)
        with self._turn:
            while not own.is_done:
                self._commit([self._queue.popleft() for _ in range(min(len(self._queue), MOST))])
        if own.error is not None:
            raise own.error
        result: Result = own.result
        return result

    def _commit(self, batch: list[_Waiting]) -> None:
        error: BaseException | None = None
        try:
            with self._engine.begin() as connection:
                for waiting in batch:
                    waiting.result = waiting.write(connection)
        except BaseException as failure:  # noqa: BLE001 - handed to everybody who waits, whatever it is
            error = failure
        for waiting in batch:
            waiting.error = error
            waiting.is_done = True
