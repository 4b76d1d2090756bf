"""Commit strategies: a transaction for each write, or one transaction for the writes of all waiting threads.

SQLite waits for the disk at every commit and runs one commit at a time. With a group commit, the waiting writes share
one commit, which is cheaper and as durable. PostgreSQL groups commits itself.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine

MAX_BATCH = 64
"""Maximum number of writes in one commit."""

Result = TypeVar("Result")
Write = Callable[[Connection], Result]
"""Runs statements and returns a result. It may run in another thread, in one transaction with other writes.

It raises only if the database fails, because an error rolls back the other writes of the transaction too.
"""


class CommitStrategy(Protocol):
    """A way to commit writes."""

    def run(self, write: Write[Result]) -> Result:
        """Run a write, commit it and return its result. If the write raises, nothing is written."""


class SeparateTransactions:
    """Commits each write in a transaction of its own.

    The transaction needs a connection, so `release_connection` is called first: a thread never holds two.
    """

    def __init__(self, engine: Engine, release_connection: Callable[[], None] = lambda: None) -> None:
        self._engine = engine
        self._release_connection = release_connection

    def run(self, write: Write[Result]) -> Result:
        """Run a write, commit it and return its result."""
        self._release_connection()
        with self._engine.begin() as connection:
            return write(connection)


@dataclass(slots=True)
class _QueuedWrite:
    """A write that waits for its commit. Once `is_done`, it has a result or an error."""

    write: Write[Any]
    is_done: bool = False
    result: Any = None
    error: BaseException | None = None


class GroupCommit:
    """Commits the writes of the waiting threads in one transaction, which succeeds or fails for all of them.

    One of the threads runs the transaction and needs a connection. So each thread calls `release_connection` before
    it waits. Thread-safe.
    """

    def __init__(self, engine: Engine, release_connection: Callable[[], None] = lambda: None) -> None:
        self._engine = engine
        self._release_connection = release_connection
        self._lock = threading.Lock()
        self._queue: deque[_QueuedWrite] = deque()

    def run(self, write: Write[Result]) -> Result:
        """Run a write, commit it and return its result."""
        self._release_connection()
        own = _QueuedWrite(write)
        self._queue.append(own)
        with self._lock:  # its holder commits the queue; a thread that waited may find its write done
            while not own.is_done:
                self._commit([self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))])
        if own.error is not None:
            raise own.error
        result: Result = own.result
        return result

    def _commit(self, batch: list[_QueuedWrite]) -> None:
        error: BaseException | None = None
        try:
            with self._engine.begin() as connection:
                for queued in batch:
                    queued.result = queued.write(connection)
        except BaseException as failure:  # noqa: BLE001 - every waiting thread raises it
            error = failure
        for queued in batch:
            queued.error = error
            queued.is_done = True
