"""The accept queue: connections that the kernel has established and no process has accepted yet."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

Serve = Callable[[socket.socket], Awaitable[None]]
"""Serves the client of an accepted socket."""


async def close_listeners(listeners: Iterable[socket.socket], close: Callable[[], None], serve: Serve) -> None:
    """Call `close`, which closes the listeners, then accept their queued connections and `serve` each.

    The kernel resets queued connections when the last descriptor of their listener is closed.
    """
    duplicates = [socket.socket(fileno=os.dup(listener.fileno())) for listener in listeners]
    close()
    await asyncio.sleep(0)  # the event loop stops accepting in its next iteration
    for listener in duplicates:
        listener.setblocking(False)
        with listener, suppress(BlockingIOError):
            while True:
                connection, _ = listener.accept()
                await serve(connection)
