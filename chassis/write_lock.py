"""Owns who of those that want the same thing is next: threads of one process in the order in which they came, and
processes one after the other.

A lock that is free for whoever asks first is never had by those who ask now and then, as long as others come back to
it at once. Here whoever waits is given it, or stands ahead of all who come later.
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
    """One turn at a time, for whichever thread has waited longest; any thread may give it back."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Lock] = deque()

    def take(self, deadline: float) -> bool:
        """Waits for the turn; False where it has not come by `deadline`, a moment of time.monotonic()."""
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                return True
            call = threading.Lock()
            call.acquire()
            self._waiting.append(call)
        if call.acquire(timeout=max(deadline - time.monotonic(), 0)):
            return True
        with self._guard:
            if call not in self._waiting:
                return True  # called between the deadline and here
            self._waiting.remove(call)
            return False

    def give_back(self) -> None:
        """Gives the turn to the next."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False


@contextmanager
def ahead_of_other_processes(path: str, deadline: float) -> Iterator[None]:
    """Within it nobody else is within it who names the same `path`, a file made for this and nothing else.

    Where that has not come by `deadline`, a moment of time.monotonic(), and where the file cannot be had, goes on
    without: this is about the order alone.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield
        return
    try:
        for _ in pauses(deadline):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            except OSError:
                pass  # a file system without such locks
            break
        yield
    finally:
        os.close(file)


def pauses(deadline: float) -> Iterator[None]:
    """Yields at once, and again after pauses of up to 2 ms until `deadline`, a moment of time.monotonic().

    Short, since of each process one thread waits like this; shorter still as the deadline comes near, so that whoever
    has waited for long comes before others; and of no fixed length, so that no two go in step.
    """
    pause = 0.0001
    yield
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - no secret
        pause = min(pause * 1.5, left * left / 12_500)
        yield
