"""Bytes after a response that must not have a body, at each phase of a connection (docs/decisions/0023).

The test sends the bytes and decides when the event loop reads. Unread bytes stay in the kernel while a callback runs,
so the order of events does not depend on the speed of the machine.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import uvloop

from gateway.routing.routes import Address
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import BODILESS_QUARANTINE, KEEPALIVE_EXPIRY, ConnectionPool
from gateway.upstream_connections.errors import UpstreamFailed
from gateway.upstream_connections.unexpected_bodies import REMEMBER_SECONDS
from tests.gateway.raw_upstream import WAIT, ok

INJECTED = ok(b"injected")
BODILESS = {
    "HEAD": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304": b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n',
}
RESPONSES = {
    **BODILESS,
    "200": ok(b"whole"),
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n",
}
LATER = 2 * BODILESS_QUARANTINE
"""Seconds after which a quarantine is over."""


class Peers:
    """A connection pool, and a service whose bytes the test sends."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.pool = ConnectionPool(Address("h", "127.0.0.1", self._listener.getsockname()[1]), 9)
        self._services: list[socket.socket] = []

    @property
    def connections(self) -> int:
        """Return the number of connections that were opened."""
        return len(self._services)

    async def connect(self) -> tuple[UpstreamConnection, socket.socket]:
        """Return a new connection and the service's end of it."""
        connection = await self.pool.connect(WAIT)
        service, _ = await self.loop.sock_accept(self._listener)
        service.setblocking(False)
        self._services.append(service)
        return connection, service

    async def exchange(
        self, connection: UpstreamConnection, service: socket.socket, kind: str, surplus: bytes = b""
    ) -> None:
        """Send one request on the connection, answer it, and release it; `surplus` bytes follow the response."""
        start(connection, "HEAD" if kind == "HEAD" else "GET")
        assert await self.loop.sock_recv(service, 4096)
        service.send(RESPONSES[kind] + surplus)
        await connection.wait_for_head(WAIT)
        while not connection.complete:
            await connection.read_body(WAIT)
        connection.take_body()
        self.pool.release(connection)

    def take(self, later: float = 0.0) -> UpstreamConnection | None:
        """Return the pool's idle connection for a request `later` seconds from now, or None."""
        return self.pool.take_idle(self.loop.time() + later, later + KEEPALIVE_EXPIRY)

    async def in_one_callback(self, callback: Callable[[], None]) -> None:
        """Run `callback` as a callback of the event loop, which has polled all sockets just before."""
        client, gateway = socket.socketpair()
        done = self.loop.create_future()

        def on_readable() -> None:
            self.loop.remove_reader(gateway)
            try:
                callback()
            except BaseException as error:  # noqa: BLE001 - raised in the test
                done.set_exception(error)
            else:
                done.set_result(None)

        self.loop.add_reader(gateway, on_readable)
        client.send(b"x")
        await done
        client.close()
        gateway.close()

    def close(self) -> None:
        """Close both sides."""
        self.pool.close()
        for each in (*self._services, self._listener):
            each.close()


def start(connection: UpstreamConnection, method: str = "GET", *, whole: bool = True) -> None:
    head = f"{method} / HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    connection.start(head, b"", whole=whole, method=method, keep_cookies=False, total=0)


async def wait_for_close(connection: UpstreamConnection) -> None:
    """Wait until the connection is closed."""
    while connection.is_open:  # noqa: ASYNC110 - bytes over a real socket
        await asyncio.sleep(0.001)


def run(test: Callable[[Peers], Awaitable[None]], runner: str) -> None:
    async def whole() -> None:
        peers = Peers()
        try:
            async with asyncio.timeout(WAIT):
                await test(peers)
        finally:
            peers.close()
            await asyncio.sleep(0.01)  # until the aborted transports are closed

    (uvloop.run if runner == "uvloop" else asyncio.run)(whole())


@pytest.fixture(params=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# --- bytes before the next request is written ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", BODILESS)
@pytest.mark.parametrize("moment", ["before the connection is taken", "while the request waits to be written"])
def test_bytes_that_came_before_a_request_are_not_its_response(runner: str, kind: str, moment: str) -> None:
    """They arrive in the same iteration of the event loop, after it has polled the connection."""

    async def test(peers: Peers) -> None:
        connection, service = await peers.connect()
        await peers.exchange(connection, service, kind)

        def next_request() -> None:
            if moment == "before the connection is taken":
                service.send(INJECTED)
            assert peers.take(LATER) is connection
            start(connection)
            if moment != "before the connection is taken":
                service.send(INJECTED)

        await peers.in_one_callback(next_request)
        with pytest.raises(UpstreamFailed) as failed:
            await connection.wait_for_head(WAIT)
        assert failed.value.reason == "stale"  # the request was not sent, so it may be sent on another connection
        peers.pool.release(connection)
        assert peers.take(LATER) is None
        with suppress(ConnectionResetError):  # a reset, because the gateway closed without reading the bytes
            assert await peers.loop.sock_recv(service, 4096) == b""

    run(test, runner)


@pytest.mark.parametrize("kind", BODILESS)
def test_bytes_that_came_before_a_request_with_a_body_fail_its_start(runner: str, kind: str) -> None:
    async def test(peers: Peers) -> None:
        connection, service = await peers.connect()
        await peers.exchange(connection, service, kind)

        def next_request() -> None:
            service.send(INJECTED)
            assert peers.take(LATER) is connection
            with pytest.raises(UpstreamFailed, match="stale"):
                start(connection, "POST", whole=False)
            peers.pool.release(connection)

        await peers.in_one_callback(next_request)
        assert not connection.is_open

    run(test, runner)


@pytest.mark.parametrize("kind", RESPONSES)
def test_bytes_on_an_idle_connection_close_it(runner: str, kind: str) -> None:
    async def test(peers: Peers) -> None:
        connection, service = await peers.connect()
        await peers.exchange(connection, service, kind)
        service.send(INJECTED)
        await wait_for_close(connection)
        assert peers.take(LATER) is None

    run(test, runner)


# --- a service that sent an unexpected body before -----------------------------------------------------------------


@pytest.mark.parametrize("kind", BODILESS)
@pytest.mark.parametrize("moment", ["with the response", "after the response", "on a connection in use"])
def test_after_an_unexpected_body_no_connection_is_reused_after_a_bodiless_response(
    runner: str, kind: str, moment: str
) -> None:
    """The next unexpected body may arrive after the next request, and then looks like the response."""

    async def test(peers: Peers) -> None:
        first, service = await peers.connect()
        quarantined, other_service = await peers.connect()
        await peers.exchange(quarantined, other_service, kind)
        if moment == "with the response":
            await peers.exchange(first, service, kind, surplus=b"hello")
        elif moment == "after the response":
            await peers.exchange(first, service, kind)
            service.send(b"hello")
        else:
            await peers.exchange(first, service, "200")
            assert peers.pool.take_idle(peers.loop.time(), KEEPALIVE_EXPIRY) is first
            start(first)
            assert await peers.loop.sock_recv(service, 4096)
            service.send(b"hello")
            with pytest.raises(UpstreamFailed, match="malformed"):
                await first.wait_for_head(WAIT)
            peers.pool.release(first)
        await wait_for_close(first)
        assert peers.take(LATER) is None
        assert not quarantined.is_open

        plain, service = await peers.connect()
        await peers.exchange(plain, service, "200")
        assert peers.take() is plain
        await peers.exchange(plain, service, kind)
        assert peers.take(LATER) is None

        reused, service = await peers.connect()
        await peers.exchange(reused, service, kind)
        assert peers.take(REMEMBER_SECONDS + 1) is reused

    run(test, runner)


@pytest.mark.parametrize("kind", BODILESS)
def test_a_head_in_two_packets_is_no_unexpected_body(runner: str, kind: str) -> None:
    async def test(peers: Peers) -> None:
        in_two, service = await peers.connect()
        start(in_two, "HEAD" if kind == "HEAD" else "GET")
        assert await peers.loop.sock_recv(service, 4096)
        service.send(BODILESS[kind][:20])
        await asyncio.sleep(0.01)
        service.send(BODILESS[kind][20:])
        await in_two.wait_for_head(WAIT)
        peers.pool.release(in_two)
        in_one, service = await peers.connect()
        await peers.exchange(in_one, service, kind)
        assert peers.take(LATER) is in_one

    run(test, runner)


@pytest.mark.parametrize("kind", BODILESS)
def test_a_408_on_an_idle_connection_is_no_unexpected_body(runner: str, kind: str) -> None:
    """Some servers send it when they close an idle connection."""

    async def test(peers: Peers) -> None:
        idle, service = await peers.connect()
        await peers.exchange(idle, service, kind)
        service.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await wait_for_close(idle)
        other, service = await peers.connect()
        await peers.exchange(other, service, kind)
        assert peers.take(LATER) is other

    run(test, runner)


@pytest.mark.parametrize("kind", BODILESS)
def test_a_correct_service_keeps_its_connections(runner: str, kind: str) -> None:
    """It needs only as many connections as there are requests within a quarantine."""

    async def test(peers: Peers) -> None:
        services: dict[UpstreamConnection, socket.socket] = {}
        for _ in range(6):
            for number in range(5):
                connection = peers.take(0 if number else LATER)
                if connection is None:
                    connection, service = await peers.connect()
                    services[connection] = service
                await peers.exchange(connection, services[connection], kind)
        assert peers.connections <= 5

    run(test, runner)
