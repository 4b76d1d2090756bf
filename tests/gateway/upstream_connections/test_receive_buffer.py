"""Bytes that an upstream sent before its connection broke, and bytes that the event loop has not read."""

import asyncio
import socket
from typing import cast

from gateway.upstream_connections.receive_buffer import MAX_UNREAD_BYTES, has_unread_data, read_unread_data


class SocketTransport:
    """A transport of which only the socket is used."""

    def __init__(self, connection: socket.socket, *, tls: bool = False) -> None:
        self._info = {"socket": connection, "ssl_object": object() if tls else None}

    def get_extra_info(self, name: str) -> object:
        """Return one property, as asyncio's transports do."""
        return self._info.get(name)


def transport_of(connection: socket.socket, *, tls: bool = False) -> asyncio.Transport:
    return cast(asyncio.Transport, SocketTransport(connection, tls=tls))


def test_the_rest_of_a_broken_connection_is_read() -> None:
    """The socket stays open, because its transport closes it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"early response")
        assert b"".join(read_unread_data(transport_of(ours))) == b"early response"
        theirs.send(b"more")
        assert ours.recv(4) == b"more"


def test_nothing_is_read_of_a_tls_connection() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"ciphertext")
        assert list(read_unread_data(transport_of(ours, tls=True))) == []


def test_no_more_than_the_maximum_is_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        read = 0
        theirs.send(bytes(65_536))
        for data in read_unread_data(transport_of(ours)):
            read += len(data)
            theirs.send(bytes(65_536))
        assert 0 < read <= MAX_UNREAD_BYTES


def test_unread_bytes_and_the_end_of_a_connection_are_unread_data() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not has_unread_data(transport_of(ours))
        theirs.send(b"x")
        assert has_unread_data(transport_of(ours))
        ours.recv(1)
        assert not has_unread_data(transport_of(ours))
        theirs.close()
        assert has_unread_data(transport_of(ours))
