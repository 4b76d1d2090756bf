"""Bytes of a request that was given up are not delivered to the upstream later."""

import asyncio
import socket

import pytest
import uvloop

from gateway.routing.routes import Address
from gateway.upstream_connections.connection_pool import ConnectionPool
from gateway.upstream_connections.send_buffer import discard_unacknowledged
from tests.gateway.raw_upstream import WAIT
from tests.gateway.upstream_connections.pools import HEAD
from tests.gateway.upstream_connections.test_receive_buffer import transport_of

MORE_THAN_BUFFERS = bytes(16 << 20)


@pytest.fixture
def listener() -> socket.socket:
    """A listening TCP socket, whose connections the test reads."""
    return socket.create_server(("127.0.0.1", 0))


def test_closing_a_request_that_was_given_up_resets_the_connection(listener: socket.socket) -> None:
    """The upstream reads after the request was given up. After a FIN it would receive all that the kernel had."""

    async def give_up() -> None:
        pool = ConnectionPool(Address("h", *listener.getsockname()), 1)
        connection = await pool.open_unpooled(WAIT)
        connection.start(HEAD, MORE_THAN_BUFFERS, whole=False, method="POST", keep_cookies=False, total=WAIT)
        await asyncio.sleep(0.1)  # so that the kernel has as much as it takes
        connection.close()
        await asyncio.sleep(0)
        pool.close()

    with listener:
        uvloop.run(give_up())
        upstream, _ = listener.accept()
        upstream.settimeout(WAIT)
        with upstream, pytest.raises(ConnectionResetError):
            _read_to_the_end(upstream)


def test_a_connection_without_unacknowledged_bytes_is_closed_as_usual(listener: socket.socket) -> None:
    with listener, socket.create_connection(listener.getsockname()) as gateway_end:
        upstream, _ = listener.accept()
        with upstream:
            discard_unacknowledged(transport_of(gateway_end))
            gateway_end.close()
            upstream.settimeout(WAIT)
            assert upstream.recv(1) == b""


def _read_to_the_end(connection: socket.socket) -> None:
    while connection.recv(1 << 16):
        pass


def test_a_closed_connection_is_left_alone(listener: socket.socket) -> None:
    with listener:
        gateway_end = socket.create_connection(listener.getsockname())
        gateway_end.close()
        discard_unacknowledged(transport_of(gateway_end))
        assert gateway_end.fileno() == -1
