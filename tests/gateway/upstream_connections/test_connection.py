"""The connections to an upstream: kept, shared, bounded, and never handed out dead."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable

import pytest
import uvloop
from prometheus_client import CollectorRegistry

from contract.problems import Refused
from gateway.routing.routes import Address, Upstream
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import (
    EXCESS_KEEPALIVE_EXPIRY,
    KEEPALIVE_EXPIRY,
    MAX_KEEPALIVE_CONNECTIONS,
    ConnectionPool,
)
from gateway.upstream_connections.errors import Unreachable, UpstreamFailed
from gateway.upstreams.metrics import UpstreamMetrics
from gateway.upstreams.registry import SWEEP_INTERVAL, UpstreamRegistry
from tests.gateway.raw_upstream import WAIT, RawUpstream, answering, ok

Test = Callable[[ConnectionPool], Awaitable[None]]


def with_pool(upstream: RawUpstream, limit: int, test: Test) -> None:
    """Runs `test` with a pool of its own."""

    async def run() -> None:
        pool = ConnectionPool(Address("h", "127.0.0.1", upstream.port), limit)
        try:
            await test(pool)
        finally:
            pool.close()
            await asyncio.sleep(0)

    uvloop.run(run())  # as a worker does: which of timers and sockets come first is another with every loop


async def exchange(pool: ConnectionPool, connection: UpstreamConnection) -> None:
    """A whole exchange, after which the connection is given back."""
    connection.start(
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"", whole=True, method="GET", keep_cookies=False, total=WAIT
    )
    await connection.wait_for_head(WAIT)
    while not connection.complete:
        await connection.read_body(WAIT)
    connection.take_body()
    pool.release(connection)


def now() -> float:
    return asyncio.get_running_loop().time()


def test_the_last_connection_given_back_is_taken_first(upstream: RawUpstream) -> None:
    """So that the others can idle away when there is less to do."""

    async def test(pool: ConnectionPool) -> None:
        first, second = await pool.connect(1), await pool.connect(1)
        await exchange(pool, first)
        await exchange(pool, second)
        assert pool.take_idle(now(), KEEPALIVE_EXPIRY) is second
        assert pool.take_idle(now(), KEEPALIVE_EXPIRY) is first
        assert pool.take_idle(now(), KEEPALIVE_EXPIRY) is None

    with_pool(upstream, 2, test)


def test_the_bound_counts_what_is_in_use_wherever_it_came_from(upstream: RawUpstream) -> None:
    async def test(pool: ConnectionPool) -> None:
        await exchange(pool, await pool.connect(1))
        in_use = await pool.connect(1)
        assert pool.outstanding == 1
        assert pool.take_idle(now(), KEEPALIVE_EXPIRY) is None
        with pytest.raises(Refused) as refused:
            await pool.connect(1)
        assert refused.value.code == "upstream_busy"
        pool.release(in_use)
        assert pool.outstanding == 0
        assert pool.take_idle(now(), KEEPALIVE_EXPIRY) is not None

    with_pool(upstream, 1, test)


def test_one_that_idled_too_long_is_not_taken(upstream: RawUpstream) -> None:
    async def test(pool: ConnectionPool) -> None:
        await exchange(pool, await pool.connect(1))
        assert pool.take_idle(now() + 1.5, 1) is None
        assert pool.take_idle(now() + 1.5, KEEPALIVE_EXPIRY) is not None

    with_pool(upstream, 1, test)


def test_one_that_the_upstream_closed_is_not_taken(upstream: RawUpstream) -> None:
    async def test(pool: ConnectionPool) -> None:
        connection = await pool.connect(1)
        await exchange(pool, connection)
        await asyncio.to_thread(upstream.drop_connections)
        async with asyncio.timeout(WAIT):
            while connection.is_open:  # noqa: ASYNC110 - its end is on its way over a real socket
                await asyncio.sleep(0.01)
        assert pool.take_idle(now(), KEEPALIVE_EXPIRY) is None

    with_pool(upstream, 1, test)


def test_the_sweep_closes_what_idled_too_long(upstream: RawUpstream) -> None:
    async def test(pool: ConnectionPool) -> None:
        first, second = await pool.connect(1), await pool.connect(1)
        await exchange(pool, first)
        await exchange(pool, second)
        second.idle_since += 30
        pool.sweep(now() + KEEPALIVE_EXPIRY + 1)
        assert not first.is_open
        assert pool.take_idle(now() + KEEPALIVE_EXPIRY + 1, KEEPALIVE_EXPIRY) is second

    with_pool(upstream, 2, test)


@pytest.mark.parametrize("ending", ["kept", "not kept", "dropped"])
def test_what_was_answered_is_known_whatever_became_of_the_connection(upstream: RawUpstream, ending: str) -> None:
    """Upstreams close connections: some each, some after seconds. It says that an address answers, if not us."""
    upstream.begin(answering(ok(b"", "Connection: close") if ending == "not kept" else ok()))

    async def test(pool: ConnectionPool) -> None:
        assert not pool.responded_within(60)
        await exchange(pool, await pool.connect(1))
        if ending == "dropped":
            await asyncio.to_thread(upstream.drop_connections)
            await asyncio.sleep(0.05)  # its end is on its way over a real socket
            pool.sweep(now())
        assert (pool.take_idle(now(), KEEPALIVE_EXPIRY) is not None) == (ending == "kept")
        assert pool.responded_within(60)
        assert not pool.responded_within(0)

    with_pool(upstream, 1, test)


def test_an_exchange_that_broke_is_no_answer(upstream: RawUpstream) -> None:
    upstream.begin(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", then_close=True))

    async def test(pool: ConnectionPool) -> None:
        with pytest.raises(UpstreamFailed):
            await exchange(pool, connection := await pool.connect(1))
        pool.release(connection)
        assert not pool.responded_within(60)

    with_pool(upstream, 1, test)


def test_nobody_at_the_other_end_is_said_so(upstream: RawUpstream) -> None:
    async def test(_: ConnectionPool) -> None:
        for address in (Address("h", "127.0.0.1", 1), Address("h", path="/nonexistent/x.sock")):
            nowhere = ConnectionPool(address, 1)
            with pytest.raises(Unreachable):
                await nowhere.connect(1)
            assert nowhere.outstanding == 0

    with_pool(upstream, 1, test)


def test_of_several_addresses_the_least_busy_is_asked(upstream: RawUpstream) -> None:
    async def test(pool: ConnectionPool) -> None:
        addresses = tuple(Address(f"h{number}", "127.0.0.1", upstream.port) for number in range(2))
        notes = Upstream("notes", addresses, "notes", None, 10)
        upstreams = UpstreamRegistry([notes], pool, UpstreamMetrics(CollectorRegistry()), time.monotonic)
        first = upstreams.pool_for(notes)
        await first.connect(1)
        assert upstreams.pool_for(notes) is not first
        upstreams.close()

    with_pool(upstream, 1, test)


def test_what_a_burst_leaves_behind_is_closed_after_a_second(upstream: RawUpstream) -> None:
    """The places of a service are not held by connections that nobody needs; the usual number stays."""

    async def test(pool: ConnectionPool) -> None:
        burst = [await pool.connect(1) for _ in range(MAX_KEEPALIVE_CONNECTIONS + 8)]
        for connection in burst:
            await exchange(pool, connection)
        pool.sweep(now())
        assert all(connection.is_open for connection in burst)
        pool.sweep(now() + EXCESS_KEEPALIVE_EXPIRY + 0.1)
        assert [connection.is_open for connection in burst] == [False] * 8 + [True] * MAX_KEEPALIVE_CONNECTIONS

    with_pool(upstream, MAX_KEEPALIVE_CONNECTIONS + 8, test)


def test_connections_that_rest_are_no_more_than_the_limit(upstream: RawUpstream) -> None:
    """After an answer without a body a connection rests; new ones that are made meanwhile must not pile up."""
    upstream.begin(answering(b"HTTP/1.1 204 No Content\r\n\r\n"))

    async def test(pool: ConnectionPool) -> None:
        made = []
        for _ in range(9):
            connection = await pool.connect(1)
            await exchange(pool, connection)
            made.append(connection)
        assert [connection.is_open for connection in made] == [False] * 5 + [True] * 4
        assert pool.responded_within(10)

    with_pool(upstream, 4, test)


# --- a worker that is late itself -----------------------------------------------------------------------------------

BRIEF, LATE = 0.15, 0.6
"""Seconds that a connection or an answer may take, and by which the loop is late."""


async def while_swept(pool: ConnectionPool, test: Test, late: Callable[[float], None] = lambda _: None) -> None:
    """Runs `test` while the pool's deadlines are looked at, as in a worker."""
    upstreams = UpstreamRegistry([], pool, UpstreamMetrics(CollectorRegistry()), time.monotonic, late)
    sweep = asyncio.create_task(upstreams.keep_sweeping())
    await asyncio.sleep(0)
    try:
        await test(pool)
    finally:
        sweep.cancel()


class Busy(asyncio.Protocol):
    """Holds its loop up with what it has to do for a client, while news for others arrive."""

    def data_received(self, data: bytes) -> None:
        time.sleep(LATE)


async def hold_up(waiting: Awaitable[None]) -> None:
    """Awaits something in a loop that is late."""
    ours, theirs = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(Busy, sock=ours)
    awaited = asyncio.ensure_future(waiting)
    await asyncio.sleep(0)
    theirs.send(b"work")
    try:
        await awaited
    finally:
        transport.close()
        theirs.close()


def test_a_late_worker_takes_no_connection_for_unreachable(upstream: RawUpstream) -> None:
    """It was made in time; only nobody had looked."""

    async def connect(pool: ConnectionPool) -> None:
        assert (await pool.connect(BRIEF)).is_open

    with_pool(upstream, 1, lambda pool: while_swept(pool, lambda pool: hold_up(connect(pool))))


def test_a_late_worker_takes_no_answer_for_silence(upstream: RawUpstream) -> None:
    async def ask(pool: ConnectionPool, connection: UpstreamConnection) -> None:
        head = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
        connection.start(head, b"", whole=True, method="GET", keep_cookies=False, total=BRIEF)
        await connection.wait_for_head(BRIEF)
        assert connection.status == 200

    async def test(pool: ConnectionPool) -> None:
        await hold_up(ask(pool, await pool.connect(WAIT)))

    with_pool(upstream, 1, lambda pool: while_swept(pool, test))


def test_who_does_not_take_a_connection_is_unreachable_in_time() -> None:
    """A listener whose queue is full lets nobody in, and says nothing."""

    async def test(pool: ConnectionPool) -> None:
        began = now()
        with pytest.raises(Unreachable, match="TimeoutError"):
            await pool.connect(BRIEF)
        assert BRIEF < now() - began < BRIEF + 1
        assert pool.outstanding == 0

    async def run(port: int) -> None:
        await while_swept(ConnectionPool(Address("h", "127.0.0.1", port), 1), test)

    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        queued = [socket.socket() for _ in range(3)]
        for connection in queued:
            connection.setblocking(False)
            connection.connect_ex(address)
        uvloop.run(run(address[1]))
        for connection in queued:
            connection.close()


def test_the_sweep_notes_by_how_much_it_is_late(upstream: RawUpstream) -> None:
    noted: list[float] = []

    async def test(pool: ConnectionPool) -> None:
        await hold_up(asyncio.sleep(LATE + SWEEP_INTERVAL))

    with_pool(upstream, 1, lambda pool: while_swept(pool, test, noted.append))
    assert LATE - SWEEP_INTERVAL - 0.05 < max(noted) < LATE + 1
