"""Every use of Redis in the gateway, while connections to it are reset: uvloop then raises RuntimeError."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvloop
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from contract.problems import Refused
from gateway.browser_sessions.tickets import Tickets
from gateway.rate_limits.redis_sync import SharedCounters
from gateway.redis_errors import RedisUnavailable, redis_faults
from gateway.tokens.revocation_feed import RevocationFeed
from gateway.tokens.revocations import Revocations
from gateway.worker.background_tasks import BackgroundTasks
from tests.clocks import MovableClock
from tests.gateway.access_tokens import PEER_SECRET, read_claims
from tests.gateway.raw_upstream import WAIT

CLOSED = RuntimeError(
    "unable to perform operation on <TCPTransport closed=True reading=False 0x1>; the handler is closed"
)


@pytest.mark.parametrize("fault", [CLOSED, RedisConnectionError("gone"), ConnectionResetError(), TimeoutError()])
def test_every_fault_of_redis_is_one_error(fault: Exception) -> None:
    with pytest.raises(RedisUnavailable), redis_faults():
        raise fault


@pytest.mark.parametrize("fault", [RuntimeError("dictionary changed size during iteration"), ValueError("x")])
def test_a_fault_of_our_own_is_none_of_redis(fault: Exception) -> None:
    with pytest.raises(type(fault)), redis_faults():
        raise fault


class Broken(Redis):
    """A Redis whose every command fails as a write on a reset connection does, until it is mended."""

    is_mended = False

    async def execute_command(self, *args: object, **options: object) -> object:
        if not self.is_mended:
            raise CLOSED
        return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # of the library


def broken(url: str) -> Broken:
    redis = Broken.from_url(url, decode_responses=True)
    assert isinstance(redis, Broken)
    return redis


@pytest.mark.parametrize("use", [lambda tickets: tickets.issue(read_claims()), lambda tickets: tickets.redeem("x")])
def test_no_ticket_is_a_503_that_says_when_to_come_back(
    redis_url: str, use: Callable[[Tickets], Awaitable[object]]
) -> None:
    async def ask() -> None:
        with pytest.raises(Refused) as refused:
            await use(Tickets(broken(redis_url), PEER_SECRET, MovableClock()))
        assert (refused.value.status, refused.value.code) == (503, "tickets_unavailable")
        assert refused.value.to_headers()["Retry-After"] in ("1", "2")

    asyncio.run(ask())


def test_the_revocation_feed_reads_on(redis_url: str) -> None:
    async def live() -> None:
        redis = broken(redis_url)
        feed = RevocationFeed(redis, Revocations(fail_closed=False), MovableClock())
        jobs = BackgroundTasks([feed.follow])
        jobs.start()
        await asyncio.sleep(0.05)
        redis.is_mended = True
        async with asyncio.timeout(WAIT):
            while not feed.loaded:  # noqa: ASYNC110 - a server is read
                await asyncio.sleep(0.02)
        await jobs.stop()
        await redis.aclose()

    asyncio.run(live())


def test_rate_limits_look_for_redis_again(redis_url: str) -> None:
    async def live() -> None:
        redis = broken(redis_url)
        counters = SharedCounters(redis, MovableClock())
        counters.is_local = True
        await counters.reconnect()
        still_local = counters.is_local
        redis.is_mended = True
        await counters.reconnect()
        assert (still_local, counters.is_local) == (True, False)
        await redis.aclose()

    asyncio.run(live())


def test_uvloop_says_what_we_look_for() -> None:
    """A write on a transport that is closed: the words by which the fault is known."""

    async def live() -> None:
        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.transport.abort()
        await asyncio.sleep(0.05)
        with pytest.raises(RedisUnavailable), redis_faults():
            writer.write(b"PING\r\n")
        server.close()
        await server.wait_closed()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live())
