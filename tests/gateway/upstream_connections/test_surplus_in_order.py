"""Bytes behind an answer, at each moment of a connection's life: the test sends them and decides when the loop reads.

Whatever is sent and not yet read stays in the kernel for as long as a callback runs, so that the order of events does
not depend on how fast anything is.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import uvloop

from gateway.routing.routes import Address
from gateway.upstream_connections import connection_pool, unexpected_bodies
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import KEEPALIVE_EXPIRY, ConnectionPool
from gateway.upstream_connections.errors import UpstreamFailed
from tests.gateway.raw_upstream import WAIT, ok

REST = 0.02
CHOSEN = ok(b"chosen by somebody else")
BODILESS = {
    "HEAD": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304": b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n',
}
ANSWERS = {
    **BODILESS,
    "200": ok(b"whole"),
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n",
}


class Hand:
    """The gateway's pool on one side, and on the other a service that sends what the test says."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.pool = ConnectionPool(Address("h", "127.0.0.1", self._listener.getsockname()[1]), 9)
        self._services: list[socket.socket] = []

    @property
    def connections(self) -> int:
        """How many were ever made."""
        return len(self._services)

    async def connected(self) -> tuple[UpstreamConnection, socket.socket]:
        """A new connection and the service's end of it."""
        connection = await self.pool.connect(WAIT)
        service, _ = await self.loop.sock_accept(self._listener)
        service.setblocking(False)
        self._services.append(service)
        return connection, service

    async def answered(self, connection: UpstreamConnection, service: socket.socket, kind: str) -> None:
        """Carries one exchange on the connection and gives it back."""
        start(connection, "HEAD" if kind == "HEAD" else "GET")
        assert await self.loop.sock_recv(service, 4096)
        service.send(ANSWERS[kind])
        await connection.wait_for_head(WAIT)
        while not connection.complete:
            await connection.read_body(WAIT)
        connection.take_body()
        self.pool.release(connection)

    def take(self) -> UpstreamConnection | None:
        """What the pool has for the next request."""
        return self.pool.take_idle(self.loop.time(), KEEPALIVE_EXPIRY)

    async def in_one_callback(self, do: Callable[[], None]) -> None:
        """Calls `do` as the loop calls whoever reads from a client: when it has looked at all sockets."""
        client, gateway = socket.socketpair()
        over = self.loop.create_future()

        def readable() -> None:
            self.loop.remove_reader(gateway)
            try:
                do()
            except BaseException as error:  # noqa: BLE001 - belongs to the test
                over.set_exception(error)
            else:
                over.set_result(None)

        self.loop.add_reader(gateway, readable)
        client.send(b"x")
        await over
        client.close()
        gateway.close()

    def close(self) -> None:
        """Ends both sides."""
        self.pool.close()
        for each in (*self._services, self._listener):
            each.close()


def start(connection: UpstreamConnection, method: str = "GET", *, whole: bool = True) -> None:
    head = f"{method} / HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    connection.start(head, b"", whole=whole, method=method, keep_cookies=False, total=0)


def run(test: Callable[[Hand], Awaitable[None]], runner: str) -> None:
    async def whole() -> None:
        hand = Hand()
        try:
            async with asyncio.timeout(WAIT):
                await test(hand)
        finally:
            hand.close()
            await asyncio.sleep(0.01)  # what was aborted is closed

    (uvloop.run if runner == "uvloop" else asyncio.run)(whole())


@pytest.fixture(autouse=True)
def short_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_pool, "BODILESS_QUARANTINE", REST)


@pytest.fixture(params=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("kind", BODILESS)
@pytest.mark.parametrize("moment", ["before the connection is taken", "while the request waits to be written"])
def test_what_has_come_before_a_request_is_written_answers_it_not(runner: str, kind: str, moment: str) -> None:
    """The loop has looked at the connection before; the bytes come after that, in the same turn."""

    async def test(hand: Hand) -> None:
        connection, service = await hand.connected()
        await hand.answered(connection, service, kind)

        def next_request() -> None:
            time.sleep(REST * 2)
            if moment == "before the connection is taken":
                service.send(CHOSEN)
            assert hand.take() is connection
            start(connection)
            if moment != "before the connection is taken":
                service.send(CHOSEN)

        await hand.in_one_callback(next_request)
        with pytest.raises(UpstreamFailed) as failed:
            await connection.wait_for_head(WAIT)
        assert failed.value.reason == "stale"  # it was not sent: a GET is sent on another connection
        hand.pool.release(connection)
        assert hand.take() is None
        with suppress(ConnectionResetError):  # the bytes were not read
            assert await hand.loop.sock_recv(service, 4096) == b""

    run(test, runner)


@pytest.mark.parametrize("kind", BODILESS)
def test_neither_does_it_a_request_whose_body_is_still_coming(runner: str, kind: str) -> None:
    async def test(hand: Hand) -> None:
        connection, service = await hand.connected()
        await hand.answered(connection, service, kind)

        def next_request() -> None:
            time.sleep(REST * 2)
            service.send(CHOSEN)
            assert hand.take() is connection
            with pytest.raises(UpstreamFailed, match="stale"):
                start(connection, "POST", whole=False)
            hand.pool.release(connection)

        await hand.in_one_callback(next_request)
        assert not connection.is_open

    run(test, runner)


@pytest.mark.parametrize("kind", ANSWERS)
def test_what_comes_while_a_connection_idles_closes_it(runner: str, kind: str) -> None:
    async def test(hand: Hand) -> None:
        connection, service = await hand.connected()
        await hand.answered(connection, service, kind)
        service.send(CHOSEN)
        while connection.is_open:  # noqa: ASYNC110 - bytes over a real socket
            await asyncio.sleep(0.001)
        await asyncio.sleep(REST * 2)
        assert hand.take() is None

    run(test, runner)


@pytest.mark.parametrize("kind", BODILESS)
@pytest.mark.parametrize("moment", ["with the answer", "behind the answer", "on a connection in use"])
def test_a_service_that_sent_such_a_body_once_is_not_given_another_chance(
    monkeypatch: pytest.MonkeyPatch, runner: str, kind: str, moment: str
) -> None:
    """Its next one may come after the next request was written, when nothing tells the two apart."""

    async def test(hand: Hand) -> None:
        first, service = await hand.connected()
        rests, other = await hand.connected()
        await hand.answered(rests, other, kind)
        if moment == "with the answer":
            monkeypatch.setitem(ANSWERS, kind, BODILESS[kind] + b"hello")
            await hand.answered(first, service, kind)
            monkeypatch.setitem(ANSWERS, kind, BODILESS[kind])
        elif moment == "behind the answer":
            await hand.answered(first, service, kind)
            service.send(b"hello")
        else:
            await asyncio.sleep(REST * 2)
            await hand.answered(first, service, "200")
            start(first)
            assert await hand.loop.sock_recv(service, 4096)
            service.send(b"hello")
            with pytest.raises(UpstreamFailed, match="malformed"):
                await first.wait_for_head(WAIT)
            hand.pool.release(first)
        while first.is_open:  # noqa: ASYNC110 - bytes over a real socket
            await asyncio.sleep(0.001)
        await asyncio.sleep(REST * 2)
        assert hand.take() is None
        assert not rests.is_open

        plain, service = await hand.connected()
        await hand.answered(plain, service, "200")
        assert hand.take() is plain
        await hand.answered(plain, service, kind)
        await asyncio.sleep(REST * 2)
        assert hand.take() is None

        monkeypatch.setattr(unexpected_bodies, "REMEMBER_SECONDS", -1)  # until it has been right for long enough
        hand.pool._unexpected_bodies.record(hand.loop.time())
        right, service = await hand.connected()
        await hand.answered(right, service, kind)
        await asyncio.sleep(REST * 2)
        assert hand.take() is right

    run(test, runner)


@pytest.mark.parametrize("kind", BODILESS)
def test_a_head_in_two_parts_is_followed_by_no_body(runner: str, kind: str) -> None:
    async def test(hand: Hand) -> None:
        parted, service = await hand.connected()
        start(parted, "HEAD" if kind == "HEAD" else "GET")
        assert await hand.loop.sock_recv(service, 4096)
        service.send(BODILESS[kind][:20])
        await asyncio.sleep(0.01)
        service.send(BODILESS[kind][20:])
        await parted.wait_for_head(WAIT)
        hand.pool.release(parted)
        whole, service = await hand.connected()
        await hand.answered(whole, service, kind)
        await asyncio.sleep(REST * 2)
        assert hand.take() is whole

    run(test, runner)


@pytest.mark.parametrize("kind", BODILESS)
def test_408_to_a_connection_that_idles_is_no_such_body(runner: str, kind: str) -> None:
    async def test(hand: Hand) -> None:
        idle, service = await hand.connected()
        await hand.answered(idle, service, kind)
        service.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        while idle.is_open:  # noqa: ASYNC110 - bytes over a real socket
            await asyncio.sleep(0.001)
        other, service = await hand.connected()
        await hand.answered(other, service, kind)
        await asyncio.sleep(REST * 2)
        assert hand.take() is other

    run(test, runner)


@pytest.mark.parametrize("kind", BODILESS)
def test_a_service_that_sends_no_such_body_keeps_its_connections(runner: str, kind: str) -> None:
    """As many as it answers requests within a rest, however many come."""

    async def test(hand: Hand) -> None:
        ends: dict[UpstreamConnection, socket.socket] = {}
        for _ in range(6):
            for _ in range(5):
                connection = hand.take()
                if connection is None:
                    connection, service = await hand.connected()
                    ends[connection] = service
                await hand.answered(connection, ends[connection], kind)
            await asyncio.sleep(REST * 2)
        assert hand.connections <= 5

    run(test, runner)
