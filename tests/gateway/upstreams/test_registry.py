"""The registry: least-loaded choice, and a sweep that fails no exchange because of a delayed event loop."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry

from gateway.routing.routes import Address, Upstream
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import ConnectionPool
from gateway.upstreams.metrics import UpstreamMetrics
from gateway.upstreams.registry import SWEEP_INTERVAL, UpstreamRegistry
from tests.gateway.raw_upstream import WAIT, RawUpstream
from tests.gateway.upstream_connections.pools import HEAD, PoolTest, run_with_pool

TIMEOUT, DELAY = 0.15, 0.6
"""Seconds: the timeout of a connection or a response, and the time for which the event loop is blocked."""


def test_the_least_loaded_address_is_chosen(upstream: RawUpstream) -> None:
    async def test(pool: ConnectionPool) -> None:
        addresses = tuple(Address(f"h{number}", "127.0.0.1", upstream.port) for number in range(2))
        notes = Upstream("notes", addresses, "notes", None, 10)
        upstreams = UpstreamRegistry([notes], pool, UpstreamMetrics(CollectorRegistry()), time.monotonic)
        first = upstreams.pool_for(notes)
        await first.connect(1)
        assert upstreams.pool_for(notes) is not first
        upstreams.close()

    run_with_pool(upstream, test)


async def while_swept(
    pool: ConnectionPool, test: PoolTest, record_lag: Callable[[float], None] = lambda _: None
) -> None:
    """Run `test` while a registry sweeps the pool."""
    upstreams = UpstreamRegistry([], pool, UpstreamMetrics(CollectorRegistry()), time.monotonic, record_lag)
    sweep = asyncio.create_task(upstreams.keep_sweeping())
    await asyncio.sleep(0)
    try:
        await test(pool)
    finally:
        sweep.cancel()


class BlockingProtocol(asyncio.Protocol):
    """A protocol that blocks its event loop for DELAY when it receives data."""

    def data_received(self, data: bytes) -> None:
        time.sleep(DELAY)


async def in_a_blocked_loop(awaitable: Awaitable[None]) -> None:
    """Await `awaitable` while the event loop is blocked once."""
    own_end, other_end = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(BlockingProtocol, sock=own_end)
    task = asyncio.ensure_future(awaitable)
    await asyncio.sleep(0)
    other_end.send(b"work")
    try:
        await task
    finally:
        transport.close()
        other_end.close()


def test_a_delayed_loop_does_not_fail_a_connection_made_in_time(upstream: RawUpstream) -> None:
    async def connect(pool: ConnectionPool) -> None:
        assert (await pool.connect(TIMEOUT)).is_open

    run_with_pool(upstream, lambda pool: while_swept(pool, lambda pool: in_a_blocked_loop(connect(pool))))


def test_a_delayed_loop_does_not_fail_a_response_sent_in_time(upstream: RawUpstream) -> None:
    async def send(connection: UpstreamConnection) -> None:
        connection.start(HEAD, b"", whole=True, method="GET", keep_cookies=False, total=TIMEOUT)
        await connection.wait_for_head(TIMEOUT)
        assert connection.status == 200

    async def test(pool: ConnectionPool) -> None:
        await in_a_blocked_loop(send(await pool.connect(WAIT)))

    run_with_pool(upstream, lambda pool: while_swept(pool, test))


def test_the_sweep_reports_its_delay(upstream: RawUpstream) -> None:
    delays: list[float] = []

    async def test(pool: ConnectionPool) -> None:
        await in_a_blocked_loop(asyncio.sleep(DELAY + SWEEP_INTERVAL))

    run_with_pool(upstream, lambda pool: while_swept(pool, test, delays.append))
    assert DELAY - SWEEP_INTERVAL - 0.05 < max(delays) < DELAY + 1
