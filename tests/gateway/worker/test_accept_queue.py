"""Connections in the accept queue are served when the listeners close."""

import asyncio
import socket

import pytest

from gateway.worker.accept_queue import close_listeners

QUEUED = 5


def test_queued_connections_are_accepted_and_later_ones_refused() -> None:
    """Without `close_listeners` the kernel would reset the queued connections."""

    async def close_with_queued_clients() -> list[bytes]:
        listener = socket.create_server(("127.0.0.1", 0))
        address = listener.getsockname()
        clients = [socket.create_connection(address) for _ in range(QUEUED)]
        accepted: list[socket.socket] = []

        async def serve(connection: socket.socket) -> None:
            accepted.append(connection)

        await close_listeners([listener], listener.close, serve)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        for connection in accepted:
            connection.sendall(b"x")
            connection.close()
        received = [client.recv(1) for client in clients]
        for client in clients:
            client.close()
        return received

    assert asyncio.run(close_with_queued_clients()) == [b"x"] * QUEUED
