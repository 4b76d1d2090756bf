"""The two parts of the write lock: WriteLock orders the threads of a process, process_lock orders the processes.

WriteLock is first in, first out. With an unfair lock, a thread that releases it and acquires it again at once can
keep all others waiting.
"""

import fcntl
import os
import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class WriteLock:
    """A first-in-first-out lock between threads. Any thread may release it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._is_locked = False
        self._waiting: deque[threading.Lock] = deque()

    def acquire(self, deadline: float) -> bool:
        """Wait for the lock and return True; return False after `deadline` (seconds of time.monotonic())."""
        with self._guard:
            if not self._is_locked:
                self._is_locked = True
                return True
            own_turn = threading.Lock()
            own_turn.acquire()
            self._waiting.append(own_turn)
        if own_turn.acquire(timeout=max(deadline - time.monotonic(), 0)):
            return True
        with self._guard:
            if own_turn not in self._waiting:
                return True  # `release` passed the lock on between the deadline and this check
            self._waiting.remove(own_turn)
            return False

    def release(self) -> None:
        """Pass the lock to the thread that has waited longest."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_locked = False


@contextmanager
def process_lock(path: str, deadline: float) -> Iterator[None]:
    """Hold an exclusive lock on the file at `path`, which is created for this purpose only.

    After `deadline` (seconds of time.monotonic()), or if the file cannot be opened, the block runs without the lock.
    That is safe: the lock only orders the writers, and SQLite itself prevents two writers at the same time.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield
        return
    try:
        for _ in retry_delays(deadline):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            except OSError:
                pass  # a file system without locks
            break
        yield
    finally:
        os.close(file)


def retry_delays(deadline: float) -> Iterator[None]:
    """Yield at once, then after delays of up to 2 ms, until `deadline` (seconds of time.monotonic()).

    Delays can be short because only one thread of each process waits here. They become shorter near the deadline, so
    that the process that has waited longest tries most often. They are random, so that processes do not retry at the
    same moment.
    """
    # 12_500 limits the delay to 2 ms when 5 seconds are left, which is how long a writer waits (BUSY_TIMEOUT).
    delay = 0.0001
    yield
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(delay * random.uniform(0.5, 1))  # noqa: S311 - no secret
        delay = min(delay * 1.5, left * left / 12_500)
        yield
