"""The pool of connections to one address: reuse, limits, expiry, and signs of life."""

import asyncio
import socket

import pytest
import uvloop

from contract.problems import Refused
from gateway.routing.routes import Address
from gateway.upstream_connections.connection_pool import (
    EXCESS_KEEPALIVE_EXPIRY,
    KEEPALIVE_EXPIRY,
    MAX_KEEPALIVE_CONNECTIONS,
    ConnectionPool,
)
from gateway.upstream_connections.errors import Unreachable, UpstreamFailed
from tests.gateway.raw_upstream import WAIT, RawUpstream, answering, ok
from tests.gateway.upstream_connections.pools import exchange, loop_time, run_with_pool

# --- reuse ---------------------------------------------------------------------------------------------------------


def test_the_connection_released_last_is_reused_first(upstream: RawUpstream) -> None:
    """The other connections can then expire when there is less traffic."""

    async def test(pool: ConnectionPool) -> None:
        first, second = await pool.connect(1), await pool.connect(1)
        await exchange(pool, first)
        await exchange(pool, second)
        assert pool.take_idle(loop_time(), KEEPALIVE_EXPIRY) is second
        assert pool.take_idle(loop_time(), KEEPALIVE_EXPIRY) is first
        assert pool.take_idle(loop_time(), KEEPALIVE_EXPIRY) is None

    run_with_pool(upstream, test)


def test_a_connection_that_was_idle_for_too_long_is_not_reused(upstream: RawUpstream) -> None:
    async def test(pool: ConnectionPool) -> None:
        await exchange(pool, await pool.connect(1))
        assert pool.take_idle(loop_time() + 1.5, 1) is None
        assert pool.take_idle(loop_time() + 1.5, KEEPALIVE_EXPIRY) is not None

    run_with_pool(upstream, test)


def test_a_connection_that_the_upstream_closed_is_not_reused(upstream: RawUpstream) -> None:
    async def test(pool: ConnectionPool) -> None:
        connection = await pool.connect(1)
        await exchange(pool, connection)
        await asyncio.to_thread(upstream.drop_connections)
        async with asyncio.timeout(WAIT):
            while connection.is_open:  # noqa: ASYNC110 - a real socket closes
                await asyncio.sleep(0.01)
        assert pool.take_idle(loop_time(), KEEPALIVE_EXPIRY) is None

    run_with_pool(upstream, test)


# --- limits --------------------------------------------------------------------------------------------------------


def test_max_connections_counts_every_connection_in_use(upstream: RawUpstream) -> None:
    """Idle and released connections do not count."""

    async def test(pool: ConnectionPool) -> None:
        await exchange(pool, await pool.connect(1))
        in_use = await pool.connect(1)
        assert pool.outstanding == 1
        assert pool.take_idle(loop_time(), KEEPALIVE_EXPIRY) is None
        with pytest.raises(Refused) as refused:
            await pool.connect(1)
        assert refused.value.code == "upstream_busy"
        pool.release(in_use)
        assert pool.outstanding == 0
        assert pool.take_idle(loop_time(), KEEPALIVE_EXPIRY) is not None

    run_with_pool(upstream, test, max_connections=1)


def test_quarantined_connections_count_towards_max_connections(upstream: RawUpstream) -> None:
    """A connection is quarantined after a response without a body, so each request may open another connection."""
    upstream.begin(answering(b"HTTP/1.1 204 No Content\r\n\r\n"))

    async def test(pool: ConnectionPool) -> None:
        connections = []
        for _ in range(9):
            connection = await pool.connect(1)
            await exchange(pool, connection)
            connections.append(connection)
        assert [connection.is_open for connection in connections] == [False] * 5 + [True] * 4
        assert pool.responded_within(10)

    run_with_pool(upstream, test, max_connections=4)


def test_a_connection_carries_at_most_max_requests(upstream: RawUpstream) -> None:
    async def test(pool: ConnectionPool) -> None:
        for _ in range(7):
            await exchange(pool, pool.take_idle(loop_time(), WAIT) or await pool.connect(1))

    before = upstream.connections
    run_with_pool(upstream, test, max_requests=3)
    assert upstream.connections - before == 3


# --- expiry --------------------------------------------------------------------------------------------------------


def test_the_sweep_closes_expired_idle_connections(upstream: RawUpstream) -> None:
    async def test(pool: ConnectionPool) -> None:
        first, second = await pool.connect(1), await pool.connect(1)
        await exchange(pool, first)
        await exchange(pool, second)
        second.idle_since += 30
        pool.sweep(loop_time() + KEEPALIVE_EXPIRY + 1)
        assert not first.is_open
        assert pool.take_idle(loop_time() + KEEPALIVE_EXPIRY + 1, KEEPALIVE_EXPIRY) is second

    run_with_pool(upstream, test)


def test_idle_connections_beyond_the_maximum_are_closed_after_a_second(upstream: RawUpstream) -> None:
    """After a burst of requests the service keeps no connections that are not needed."""

    async def test(pool: ConnectionPool) -> None:
        burst = [await pool.connect(1) for _ in range(MAX_KEEPALIVE_CONNECTIONS + 8)]
        for connection in burst:
            await exchange(pool, connection)
        pool.sweep(loop_time())
        assert all(connection.is_open for connection in burst)
        pool.sweep(loop_time() + EXCESS_KEEPALIVE_EXPIRY + 0.1)
        expected = [False] * 8 + [True] * MAX_KEEPALIVE_CONNECTIONS
        assert [connection.is_open for connection in burst] == expected

    run_with_pool(upstream, test, max_connections=MAX_KEEPALIVE_CONNECTIONS + 8)


def test_a_busy_connection_beyond_its_maximum_age_closes_after_its_exchange(upstream: RawUpstream) -> None:
    """An idle connection beyond its age closes at its keep-alive expiry."""

    async def test(pool: ConnectionPool) -> None:
        now = loop_time()
        busy, idle = await pool.connect(1), await pool.connect(1)
        assert now + 80 < busy.retires_at < now + 120
        busy.retires_at = now
        await exchange(pool, busy)
        assert not busy.is_open
        await exchange(pool, idle)
        assert idle.is_open
        idle.retires_at = now + 0.01
        pool.sweep(now + 0.02)
        assert idle.is_open
        pool.sweep(now + KEEPALIVE_EXPIRY + 1)
        assert not idle.is_open

    run_with_pool(upstream, test, max_age=100)


# --- signs of life -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["kept", "not kept", "closed while idle"])
def test_a_response_counts_as_a_sign_of_life_after_its_connection_closed(upstream: RawUpstream, ending: str) -> None:
    """Some upstreams close after each response, others after some idle seconds."""
    upstream.begin(answering(ok(b"", "Connection: close") if ending == "not kept" else ok()))

    async def test(pool: ConnectionPool) -> None:
        assert not pool.responded_within(60)
        connection = await pool.connect(1)
        await exchange(pool, connection)
        if ending == "closed while idle":
            await asyncio.to_thread(upstream.drop_connections)
            async with asyncio.timeout(WAIT):
                while connection.is_open:  # noqa: ASYNC110 - a real socket closes
                    await asyncio.sleep(0.005)
            pool.sweep(loop_time())
        assert (pool.take_idle(loop_time(), KEEPALIVE_EXPIRY) is not None) == (ending == "kept")
        assert pool.responded_within(60)
        assert not pool.responded_within(0)

    run_with_pool(upstream, test)


def test_a_response_that_was_cut_off_is_no_sign_of_life(upstream: RawUpstream) -> None:
    upstream.begin(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", then_close=True))

    async def test(pool: ConnectionPool) -> None:
        with pytest.raises(UpstreamFailed):
            await exchange(pool, connection := await pool.connect(1))
        pool.release(connection)
        assert not pool.responded_within(60)

    run_with_pool(upstream, test)


# --- connecting ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [Address("h", "127.0.0.1", 1), Address("h", path="/nonexistent/x.sock")])
def test_an_address_where_nothing_listens_is_unreachable(address: Address) -> None:
    async def test() -> None:
        pool = ConnectionPool(address, 1)
        with pytest.raises(Unreachable):
            await pool.connect(1)
        assert pool.outstanding == 0

    uvloop.run(test())


def test_an_address_that_accepts_no_connection_is_unreachable_after_the_timeout() -> None:
    """A listener whose queue is full drops the handshake silently; the sweep ends the attempt."""

    async def test(port: int) -> None:
        pool = ConnectionPool(Address("h", "127.0.0.1", port), 1)
        connecting = asyncio.ensure_future(pool.connect(30))
        await asyncio.sleep(0)
        now = loop_time()
        pool.sweep(now + 29)
        await asyncio.sleep(0.01)
        assert not connecting.done()
        pool.sweep(now + 31)
        with pytest.raises(Unreachable, match="TimeoutError"):
            await connecting
        assert pool.outstanding == 0

    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        queued = [socket.socket() for _ in range(3)]
        for connection in queued:
            connection.setblocking(False)
            connection.connect_ex(address)
        uvloop.run(test(address[1]))
        for connection in queued:
            connection.close()
