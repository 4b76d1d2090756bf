"""Fair locks: between threads in the order of arrival, and between processes through a lock file.

An unfair lock starves occasional users while others take it again at once. Here the longest-waiting thread is next.
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
            ticket = threading.Lock()
            ticket.acquire()
            self._waiting.append(ticket)
        if ticket.acquire(timeout=max(deadline - time.monotonic(), 0)):
            return True
        with self._guard:
            if ticket not in self._waiting:
                return True  # released between the deadline and here
            self._waiting.remove(ticket)
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

    Continues without the lock after `deadline` (seconds of time.monotonic()), or if the file cannot be opened: the
    lock only keeps writers in order; SQLite itself keeps them apart.
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

    Delays are short because only one thread of each process waits here. They shrink as the deadline nears, so that
    the longest-waiting process tries more often, and they are random, so that processes do not retry in step.
    """
    pause = 0.0001
    yield
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - no secret
        pause = min(pause * 1.5, left * left / 12_500)
        yield
