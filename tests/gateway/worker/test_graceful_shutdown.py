"""A worker that goes takes the last connections with it, and knows whether others are in its place."""

import asyncio
import socket

import pytest

from gateway.worker.graceful_shutdown import GracefulShutdown, Reloads, accept_the_last

WAITING = 5


def test_what_is_announced_is_no_longer_ready() -> None:
    departure = GracefulShutdown()
    departure.check()
    departure.announce()
    with pytest.raises(LookupError):
        departure.check()


def test_only_who_was_forked_before_a_reload_is_replaced_by_it() -> None:
    reloads = Reloads()
    before = reloads.watch()
    assert not before()
    reloads.note()
    after = reloads.watch()
    assert before()
    assert not after()


def test_connections_that_nobody_has_accepted_yet_are_served() -> None:
    """Closing a listener resets them otherwise; who comes after that is refused."""

    async def play() -> list[bytes]:
        listener = socket.create_server(("127.0.0.1", 0))
        address = listener.getsockname()
        clients = [socket.create_connection(address) for _ in range(WAITING)]
        accepted: list[socket.socket] = []

        async def accept(connection: socket.socket) -> None:
            accepted.append(connection)

        await accept_the_last([listener], listener.close, accept)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        for connection in accepted:
            connection.sendall(b"x")
            connection.close()
        received = [client.recv(1) for client in clients]
        for client in clients:
            client.close()
        return received

    assert asyncio.run(play()) == [b"x"] * WAITING
