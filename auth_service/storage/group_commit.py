"""When a write is committed: alone, or together with the writes of other threads.

A commit of SQLite waits for the disk, and commits follow one another. A refresh that shares a commit with the others
that wait costs a part of it and is as durable. PostgreSQL groups commits by itself.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine

from auth_service.storage.models import Database

MAX_BATCH = 64
"""Writes in one commit."""

Result = TypeVar("Result")
Write = Callable[[Connection], Result]
"""Statements that fail only if the database does. Any thread may run them, in one transaction with others' writes."""


class Commits(Protocol):
    """Runs a write and returns once it is committed."""

    def run(self, write: Write[Result]) -> Result:
        """Return what `write` returns. Raises what it or the commit raises: then nothing was written."""


class SeparateCommits:
    """Commits every write in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self, write: Write[Result]) -> Result:
        """Return what `write` returns, once it is committed."""
        try:
            result = write(self._database.connection())
            self._database.commit()
        except BaseException:
            self._database.rollback()
            raise
        return result


@dataclass(slots=True)
class _Waiting:
    write: Write[Any]
    is_done: bool = False
    result: Any = None
    error: BaseException | None = None


class GroupCommit:
    """One thread runs the writes of all that wait in one transaction, which commits or fails for all of them.

    A thread that waits must hold no connection, since the thread that writes needs one: `release` gives it back.
    Safe for threads.
    """

    def __init__(self, engine: Engine, release: Callable[[], None] = lambda: None) -> None:
        self._engine = engine
        self._release = release
        self._lock = threading.Lock()
        self._queue: deque[_Waiting] = deque()

    def run(self, write: Write[Result]) -> Result:
        """Return what `write` returns, once it is committed."""
        self._release()
        own = _Waiting(write)
        self._queue.append(own)
        with self._lock:
            while not own.is_done:
                self._commit([self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))])
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
        except BaseException as failure:  # noqa: BLE001 - every thread that waits raises it, whatever it is
            error = failure
        for waiting in batch:
            waiting.error = error
            waiting.is_done = True
