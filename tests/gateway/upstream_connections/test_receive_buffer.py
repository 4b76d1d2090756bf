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
    gateway_end, service_end = socket.socketpair()
    with gateway_end, service_end:
        service_end.send(b"early response")
        assert b"".join(read_unread_data(transport_of(gateway_end))) == b"early response"
        service_end.send(b"more")
        assert gateway_end.recv(4) == b"more"


def test_nothing_is_read_of_a_tls_connection() -> None:
    gateway_end, service_end = socket.socketpair()
    with gateway_end, service_end:
        service_end.send(b"ciphertext")
        assert list(read_unread_data(transport_of(gateway_end, tls=True))) == []


def test_no_more_than_the_maximum_is_read() -> None:
    gateway_end, service_end = socket.socketpair()
    with gateway_end, service_end:
        service_end.setblocking(False)
        read = 0
        service_end.send(bytes(65_536))
        for data in read_unread_data(transport_of(gateway_end)):
            read += len(data)
            service_end.send(bytes(65_536))
        assert 0 < read <= MAX_UNREAD_BYTES


def test_unread_bytes_and_the_end_of_a_connection_are_unread_data() -> None:
    gateway_end, service_end = socket.socketpair()
    with gateway_end, service_end:
        assert not has_unread_data(transport_of(gateway_end))
        service_end.send(b"x")
        assert has_unread_data(transport_of(gateway_end))
        gateway_end.recv(1)
        assert not has_unread_data(transport_of(gateway_end))
        service_end.close()
        assert has_unread_data(transport_of(gateway_end))
