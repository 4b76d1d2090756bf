"""Reads what a service sent before it reset the connection, which the event loop would throw away.

A service that refuses an upload often answers, and closes with most of the upload unread; its kernel then resets the
connection. Where the loop finds that out by writing, it closes without reading, and the answer is lost.
"""

import asyncio
import select
import socket
from collections.abc import Iterator
from contextlib import suppress

MOST = 1_048_576
"""Bytes. An answer that is refused early is small; a larger one is cut off, as it would be without this."""

_PIECE = 65_536


def unread(transport: asyncio.Transport) -> Iterator[bytes]:
    """Yield what is left to read on the broken connection of `transport`; nothing for TLS, which would need its keys.

    To be called in the protocol's `connection_lost`, where the socket is still open.
    """
    found = transport.get_extra_info("socket")
    if found is None or transport.get_extra_info("ssl_object") is not None:
        return
    with suppress(OSError), socket.socket(fileno=socket.dup(found.fileno())) as connection:
        connection.setblocking(False)
        for _ in range(MOST // _PIECE):
            data = connection.recv(_PIECE)
            if not data:
                return
            yield data


def is_readable(transport: asyncio.Transport) -> bool:
    """Return whether the kernel holds bytes, or the end of the connection, that the loop has not read yet."""
    found = transport.get_extra_info("socket")
    if found is None:
        return False
    poll = select.poll()
    poll.register(found.fileno(), select.POLLIN)
    return bool(poll.poll(0))
