"""Owns how a worker goes without losing a request: readiness says so first, and only then does it stop listening.

A worker that a reload replaces skips that: its successors listen at the same address already.
"""

import asyncio
import mmap
import os
import socket
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress


class GracefulShutdown:
    """Whether this worker is about to go."""

    def __init__(self) -> None:
        self._announced = False

    def announce(self) -> None:
        """From now on `check` raises."""
        self._announced = True

    def check(self) -> None:
        """Returns while the worker stays. Raises LookupError afterwards."""
        if self._announced:
            raise LookupError("this process is stopping")


class Reloads:
    """A count that gunicorn's master shares with the workers it forks; it wraps at 256, which nobody lives to see."""

    def __init__(self) -> None:
        self._count = mmap.mmap(-1, 1)

    def note(self) -> None:
        """Another reload begins. For the master."""
        self._count[0] = (self._count[0] + 1) % 256

    def watch(self) -> Callable[[], bool]:
        """A question to ask later: whether there was a reload since now."""
        now = self._count[0]
        return lambda: self._count[0] != now


Accept = Callable[[socket.socket], Awaitable[None]]
"""Makes a client's connection of a socket that was accepted."""


async def accept_the_last(listeners: Iterable[socket.socket], close: Callable[[], None], accept: Accept) -> None:
    """Calls `close`, which is to end all listening, and has what was connected until then accepted.

    The kernel makes connections ahead of us, and resets those nobody has accepted when their listener closes.
    """
    kept = [socket.socket(fileno=os.dup(listener.fileno())) for listener in listeners]
    close()
    await asyncio.sleep(0)  # the loop closes its listeners in its next turn
    for listener in kept:
        listener.setblocking(False)
        with listener, suppress(BlockingIOError):
            while True:
                connection, _ = listener.accept()
                await accept(connection)
