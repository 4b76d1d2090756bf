"""The accept queue: connections that the kernel has established and no process has accepted yet."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

Accept = Callable[[socket.socket], Awaitable[None]]
"""Serve the client of a socket that was accepted."""


async def close_listeners(listeners: Iterable[socket.socket], close: Callable[[], None], accept: Accept) -> None:
    """Call `close`, which closes the listeners, then accept what is in their queues.

    The kernel would reset the queued connections if their listener was closed at once.
    """
    duplicates = [socket.socket(fileno=os.dup(listener.fileno())) for listener in listeners]
    close()
    await asyncio.sleep(0)  # the loop closes its listeners in its next iteration
    for listener in duplicates:
        listener.setblocking(False)
        with listener, suppress(BlockingIOError):
            while True:
                connection, _ = listener.accept()
                await accept(connection)
