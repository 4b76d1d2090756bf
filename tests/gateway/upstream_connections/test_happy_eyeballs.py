"""Connecting to one of several addresses: the first connection wins, and no attempt is lost or left behind."""

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
from tests.gateway.raw_upstream import RawUpstream


def pools_at(upstream: RawUpstream, count: int) -> list[ConnectionPool]:
    return [ConnectionPool(Address(f"h{number}", "127.0.0.1", upstream.port), 9) for number in range(count)]


def in_turn(pools: Collection[ConnectionPool]) -> NextPool:
    return lambda tried: next((pool for pool in pools if pool not in tried), None)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(happy_eyeballs, "CONNECTION_ATTEMPT_DELAY", 0.01)


def test_the_next_address_is_tried_beside_one_that_is_silent(upstream: RawUpstream) -> None:
    """And the connection that comes later is kept for another request."""

    async def test() -> None:
        slow, quick = pools = pools_at(upstream, 2)
        goes_on = asyncio.Event()

        async def attempt(pool: ConnectionPool, timeout: float) -> UpstreamConnection:
            if pool is slow:
                await goes_on.wait()
            return await pool.connect(timeout)

        race = HappyEyeballs()
        won, connection = await race.connect(slow, 1, attempt, in_turn(pools))
        assert won is quick
        assert quick.outstanding == 1
        goes_on.set()
        while not race.is_idle:  # noqa: ASYNC110 - a connection over a real socket
            await asyncio.sleep(0.001)
        assert slow.outstanding == 0
        kept = slow.take_idle(asyncio.get_running_loop().time(), 1)
        assert kept is not None
        assert kept is not connection
        for pool in pools:
            pool.close()

    asyncio.run(test())


def test_who_fails_is_followed_at_once_and_the_last_failure_is_told(upstream: RawUpstream) -> None:
    async def test() -> None:
        pools = pools_at(upstream, MAX_ATTEMPTS + 1)
        tried: list[ConnectionPool] = []

        async def attempt(pool: ConnectionPool, timeout: float) -> UpstreamConnection:
            tried.append(pool)
            raise Unreachable(pool.address.name)

        with pytest.raises(Unreachable, match=f"h{MAX_ATTEMPTS - 1}"):
            await HappyEyeballs().connect(pools[0], 1, attempt, in_turn(pools))
        assert tried == pools[:MAX_ATTEMPTS]

    asyncio.run(test())


def test_an_address_at_its_bound_leaves_the_request_to_another(upstream: RawUpstream) -> None:
    async def test() -> None:
        full, other = pools = pools_at(upstream, 2)

        async def attempt(pool: ConnectionPool, timeout: float) -> UpstreamConnection:
            if pool is full:
                raise Refused("upstream_busy")
            return await pool.connect(timeout)

        won, _ = await HappyEyeballs().connect(full, 1, attempt, in_turn(pools))
        assert won is other
        other.close()
        with pytest.raises(Refused):
            await HappyEyeballs().connect(full, 1, attempt, in_turn([full]))

    asyncio.run(test())


def test_a_request_that_is_given_up_leaves_nothing_behind(upstream: RawUpstream) -> None:
    """Its client hung up: what it was connecting is kept, and a race that is closed breaks its attempts off."""

    async def test() -> None:
        pools = pools_at(upstream, 2)

        async def attempt(pool: ConnectionPool, timeout: float) -> UpstreamConnection:
            await asyncio.Event().wait()
            return await pool.connect(timeout)

        race = HappyEyeballs()
        request = asyncio.ensure_future(race.connect(pools[0], 1, attempt, in_turn(pools)))
        await asyncio.sleep(0.03)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert not race.is_idle
        race.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert race.is_idle

    asyncio.run(test())
