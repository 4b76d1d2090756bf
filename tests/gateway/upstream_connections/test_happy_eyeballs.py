"""Connecting to one of several addresses (RFC 8305): the first connection is used, the others are kept."""

import asyncio
from collections.abc import Collection

import pytest

from contract.problems import Refused
from gateway.routing.routes import Address
from gateway.upstream_connections import happy_eyeballs
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import ConnectionPool
from gateway.upstream_connections.errors import Unreachable
from gateway.upstream_connections.happy_eyeballs import MAX_ATTEMPTS, HappyEyeballs, NextPool
from tests.gateway.raw_upstream import WAIT, RawUpstream


def pools_at(upstream: RawUpstream, count: int) -> list[ConnectionPool]:
    return [ConnectionPool(Address(f"h{number}", "127.0.0.1", upstream.port), 9) for number in range(count)]


def in_order(pools: Collection[ConnectionPool]) -> NextPool:
    return lambda tried: next((pool for pool in pools if pool not in tried), None)


@pytest.fixture(autouse=True)
def short_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(happy_eyeballs, "CONNECTION_ATTEMPT_DELAY", 0.01)


def test_the_next_address_is_tried_while_the_first_is_silent(upstream: RawUpstream) -> None:
    """The slower connection is kept for another request."""

    async def test() -> None:
        slow, fast = pools = pools_at(upstream, 2)
        proceed = asyncio.Event()

        async def attempt(pool: ConnectionPool, timeout: float) -> UpstreamConnection:
            if pool is slow:
                await proceed.wait()
            return await pool.connect(timeout)

        attempts = HappyEyeballs()
        winner, connection = await attempts.connect(slow, 1, attempt, in_order(pools))
        assert winner is fast
        assert fast.outstanding == 1
        proceed.set()
        while not attempts.is_idle:  # noqa: ASYNC110 - a connection over a real socket
            await asyncio.sleep(0.001)
        assert slow.outstanding == 0
        kept = slow.take_idle(asyncio.get_running_loop().time(), 1)
        assert kept is not None
        assert kept is not connection
        for pool in pools:
            pool.close()

    asyncio.run(test())


def test_after_a_failure_the_next_address_is_tried_at_once(
    upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delay between attempts is longer than the test may take."""
    monkeypatch.setattr(happy_eyeballs, "CONNECTION_ATTEMPT_DELAY", 2 * WAIT)

    async def test() -> None:
        pools = pools_at(upstream, MAX_ATTEMPTS + 1)
        tried: list[ConnectionPool] = []

        async def attempt(pool: ConnectionPool, timeout: float) -> UpstreamConnection:
            tried.append(pool)
            raise Unreachable(pool.address.name)

        async with asyncio.timeout(WAIT):
            with pytest.raises(Unreachable, match=f"h{MAX_ATTEMPTS - 1}"):
                await HappyEyeballs().connect(pools[0], 1, attempt, in_order(pools))
        assert tried == pools[:MAX_ATTEMPTS]

    asyncio.run(test())


def test_an_address_at_max_connections_is_replaced_by_another(upstream: RawUpstream) -> None:
    async def test() -> None:
        full, other = pools = pools_at(upstream, 2)

        async def attempt(pool: ConnectionPool, timeout: float) -> UpstreamConnection:
            if pool is full:
                raise Refused("upstream_busy")
            return await pool.connect(timeout)

        winner, _ = await HappyEyeballs().connect(full, 1, attempt, in_order(pools))
        assert winner is other
        other.close()
        with pytest.raises(Refused):
            await HappyEyeballs().connect(full, 1, attempt, in_order([full]))

    asyncio.run(test())


def test_the_attempts_of_a_cancelled_request_continue_until_close(upstream: RawUpstream) -> None:
    """A request is cancelled when its client disconnects; `close` cancels the attempts."""

    async def test() -> None:
        pools = pools_at(upstream, 2)

        async def attempt(pool: ConnectionPool, timeout: float) -> UpstreamConnection:
            await asyncio.Event().wait()
            return await pool.connect(timeout)

        attempts = HappyEyeballs()
        request = asyncio.ensure_future(attempts.connect(pools[0], 1, attempt, in_order(pools)))
        await asyncio.sleep(0.03)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert not attempts.is_idle
        attempts.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert attempts.is_idle

    asyncio.run(test())
