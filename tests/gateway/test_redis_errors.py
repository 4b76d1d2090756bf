"""Every use of Redis continues after a reset connection, for which uvloop raises RuntimeError."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvloop
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

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
from tests.watched import watched

CLOSED = RuntimeError(
    "unable to perform operation on <TCPTransport closed=True reading=False 0x1>; the handler is closed"
)


@pytest.mark.parametrize("fault", [CLOSED, RedisConnectionError("gone"), ConnectionResetError(), TimeoutError()])
def test_every_failure_of_redis_is_redis_unavailable(fault: Exception) -> None:
    with pytest.raises(RedisUnavailable), redis_faults():
        raise fault


@pytest.mark.parametrize("fault", [RuntimeError("dictionary changed size during iteration"), ValueError("x")])
def test_other_errors_pass_unchanged(fault: Exception) -> None:
    with pytest.raises(type(fault)), redis_faults():
        raise fault


class Broken(Redis):
    """A Redis client whose commands fail like writes on a reset connection, until `is_repaired`."""

    is_repaired = False

    async def execute_command(self, *args: object, **options: object) -> object:
        if not self.is_repaired:
            raise CLOSED
        return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # of the library


def broken(url: str) -> Broken:
    redis = Broken.from_url(url, decode_responses=True)
    assert isinstance(redis, Broken)
    return redis


@pytest.mark.parametrize("use", [lambda tickets: tickets.issue(read_claims()), lambda tickets: tickets.redeem("x")])
def test_while_redis_is_down_tickets_get_503_with_retry_after(
    redis_url: str, use: Callable[[Tickets], Awaitable[object]]
) -> None:
    async def main() -> None:
        with pytest.raises(Refused) as refused:
            await use(Tickets(broken(redis_url), watched(PEER_SECRET), MovableClock()))
        assert (refused.value.status, refused.value.code) == (503, "tickets_unavailable")
        assert refused.value.to_headers()["Retry-After"] in ("1", "2")

    asyncio.run(main())


def test_the_revocation_feed_reads_again_when_redis_is_available_again(redis_url: str) -> None:
    async def main() -> None:
        redis = broken(redis_url)
        feed = RevocationFeed(redis, Revocations(fail_closed=False), MovableClock())
        tasks = BackgroundTasks([feed.follow])
        with capture_logs() as lines:
            tasks.start()
            async with asyncio.timeout(WAIT):
                while not lines:  # noqa: ASYNC110 - the feed logs its first failure
                    await asyncio.sleep(0)
        redis.is_repaired = True
        async with asyncio.timeout(WAIT):
            while not feed.loaded:  # noqa: ASYNC110 - another process answers
                await asyncio.sleep(0.02)
        await tasks.stop()
        await redis.aclose()

    asyncio.run(main())


def test_rate_limits_use_redis_again_when_it_is_available_again(redis_url: str) -> None:
    async def main() -> None:
        redis = broken(redis_url)
        counters = SharedCounters(redis, MovableClock())
        counters.is_local = True
        await counters.reconnect()
        still_local = counters.is_local
        redis.is_repaired = True
        await counters.reconnect()
        assert (still_local, counters.is_local) == (True, False)
        await redis.aclose()

    asyncio.run(main())


def test_uvloop_raises_the_error_text_that_redis_faults_recognizes() -> None:
    """uvloop raises it on a write to a closed transport."""

    async def main() -> None:
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
        runner.run(main())
