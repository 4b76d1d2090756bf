"""Read the kernel's receive buffer of a connection: bytes that the event loop has not read.

A service that refuses an upload often responds and closes without reading most of the upload; its kernel then resets
the connection. When a write fails because of the reset, the loop closes the connection without reading, so the
response would be lost.
"""

import asyncio
import select
import socket
from collections.abc import Iterator
from contextlib import suppress

MAX_UNREAD_BYTES = 1_048_576
"""Maximum bytes that are read. An early response to an upload is small; a larger one is cut off."""

_CHUNK_BYTES = 65_536


def read_unread_data(transport: asyncio.Transport) -> Iterator[bytes]:
    """Yield the unread bytes of the broken connection of `transport`; none for TLS, which cannot be decrypted here.

    Call it in the protocol's `connection_lost`, while the socket is still open.
    """
    own_socket = transport.get_extra_info("socket")
    if own_socket is None or transport.get_extra_info("ssl_object") is not None:
        return
    with suppress(OSError), socket.socket(fileno=socket.dup(own_socket.fileno())) as connection:
        connection.setblocking(False)
        for _ in range(MAX_UNREAD_BYTES // _CHUNK_BYTES):
            data = connection.recv(_CHUNK_BYTES)
            if not data:
                return
            yield data


def has_unread_data(transport: asyncio.Transport) -> bool:
    """Return whether the kernel holds bytes, or the end of the connection, that the loop has not read yet."""
    own_socket = transport.get_extra_info("socket")
    if own_socket is None:
        return False
    poll = select.poll()
    poll.register(own_socket.fileno(), select.POLLIN)
    return bool(poll.poll(0))
