"""The revocation feed follows the stream of a real server, also after the server has restarted and lost its data."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis import Redis
from structlog.testing import capture_logs

from chassis.redis_clients import redis_client
from contract.problems import Refused
from contract.revocation import COMPLETENESS_QUERIES, STREAM, completeness_reply
from gateway.redis_clients import revocation_feed_redis
from gateway.tokens.revocation_feed import RevocationFeed
from gateway.tokens.revocations import MAX_FEED_AGE_SECONDS, Revocations
from gateway.worker.background_tasks import BackgroundTasks
from tests.clocks import MovableClock
from tests.gateway.access_tokens import read_claims
from tests.gateway.raw_upstream import WAIT
from tests.gateway.stand_ins.valkey import Valkey, valkey_server
from tests.gateway.tokens.test_revocations import LIFETIME, NOW, is_refused, revoked


@pytest.fixture
def revocations() -> Revocations:
    return Revocations(fail_closed=False)


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A server that the test stops or configures."""
    with valkey_server() as server:
        yield server


def publish(url: str, *sessions: str, at: int = NOW) -> None:
    """Publish the revocation of `sessions` as the auth service does."""
    with redis_client(url) as redis:
        for session in sessions:
            redis.xadd(STREAM, dict(revoked("sid", session, at).to_fields().items()))


def count_reads(valkey: Valkey) -> int:
    """Return how many XREAD commands the server has answered."""
    with redis_client(valkey.url, decode_responses=True) as redis:
        stats = redis.info("commandstats")
        assert isinstance(stats, dict)
        return int(stats.get("cmdstat_xread", {}).get("calls", 0))


@asynccontextmanager
async def following(url: str, revocations: Revocations, clock: MovableClock) -> AsyncIterator[RevocationFeed]:
    """Run a feed as a worker's background task does."""
    feed = RevocationFeed(revocation_feed_redis(url), revocations, clock)
    tasks = BackgroundTasks([feed.follow])
    tasks.start()
    try:
        yield feed
    finally:
        await tasks.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():  # noqa: ASYNC110 - the event happens in another process
            await asyncio.sleep(0.01)


def run(check: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await check()

    asyncio.run(main())


def feed_errors(lines: Sequence[MutableMapping[str, Any]]) -> list[str]:
    """Return the errors of the logged outages of the feed."""
    return [line["error"] for line in lines if line["event"] == "revocation_feed_unavailable"]


def test_the_feed_reads_the_whole_stream_and_then_follows_it(empty_redis: str, revocations: Revocations) -> None:
    """The stream is longer than a page, and a new entry arrives within a second."""
    with redis_client(empty_redis) as redis, redis.pipeline() as pipeline:
        for number in range(2_500):
            pipeline.xadd(STREAM, dict(revoked("sid", f"s{number}", NOW).to_fields().items()))
        pipeline.execute()

    async def check() -> None:
        async with following(empty_redis, revocations, MovableClock(NOW)) as feed:
            with pytest.raises(LookupError):
                feed.check()
            assert feed.age(NOW) == float("inf")
            await until(lambda: feed.loaded)
            feed.check()
            assert len(revocations) == 2_500
            started = asyncio.get_running_loop().time()
            publish(empty_redis, "late")
            await until(lambda: is_refused(revocations, session="late"))
            assert asyncio.get_running_loop().time() - started < 1

    run(check)


def test_an_empty_stream_is_read_at_once(empty_redis: str, revocations: Revocations) -> None:
    async def check() -> None:
        async with following(empty_redis, revocations, MovableClock(NOW)) as feed:
            started = asyncio.get_running_loop().time()
            await until(lambda: feed.loaded)
            assert asyncio.get_running_loop().time() - started < 0.9  # a blocking read takes a second

    run(check)


def test_the_feed_survives_a_restart_of_redis(valkey: Valkey, revocations: Revocations) -> None:
    """Known revocations stay in force during the outage, and new ones arrive after it.

    An emptied server, or another one, may begin with lower entry ids.
    """

    async def check() -> None:
        async with following(valkey.url, revocations, MovableClock(NOW)) as feed:
            publish(valkey.url, "before")
            await until(lambda: is_refused(revocations, session="before"))
            await asyncio.to_thread(valkey.stop)
            assert is_refused(revocations, session="before")
            await asyncio.to_thread(valkey.start)
            with redis_client(valkey.url) as redis:
                redis.xadd(STREAM, dict(revoked("sid", "after", NOW).to_fields().items()), id="1-1")
            await until(lambda: is_refused(revocations, session="after"))
            assert is_refused(revocations, session="before")
            feed.check()

    run(check)


def test_an_outage_logs_each_error_once(valkey: Valkey, revocations: Revocations) -> None:
    """A server that now requires a password first closes its connections, and then refuses new ones."""
    errors: list[str] = []

    async def check() -> None:
        async with following(valkey.url, revocations, MovableClock(NOW)) as feed:
            await until(lambda: feed.loaded)
            with redis_client(valkey.url) as redis, capture_logs() as lines:
                redis.config_set("requirepass", "secret")
                redis.execute_command("CLIENT", "KILL", "TYPE", "normal")
                await until(lambda: any(error.startswith("refused: ") for error in feed_errors(lines)))
                before = count_connections(redis)
                await until(lambda: count_connections(redis) >= before + 2)  # so it was refused at least once more
                errors.extend(feed_errors(lines))

    run(check)
    assert not errors[0].startswith("refused: ")
    assert len(set(errors)) == len(errors)


def count_connections(redis: Redis) -> int:
    """Return how many connections the server has accepted since it started."""
    stats = redis.info("stats")
    assert isinstance(stats, dict)
    return int(stats["total_connections_received"])


def test_a_server_that_starts_after_the_feed_is_found(valkey: Valkey, revocations: Revocations) -> None:
    async def check() -> None:
        await asyncio.to_thread(valkey.stop)
        async with following(valkey.url, revocations, MovableClock(NOW)) as feed:
            with capture_logs() as lines:
                await until(lambda: bool(feed_errors(lines)))
                assert not feed.loaded
                await asyncio.to_thread(valkey.start)
                await until(lambda: feed.loaded)

    run(check)


def test_a_stopped_feed_leaves_no_connection_open(valkey: Valkey, revocations: Revocations) -> None:
    """Not even while it pauses after an error that Redis has returned: such a connection is still usable."""
    with redis_client(valkey.url) as redis:
        redis.set(STREAM, "not a stream")

        async def check() -> None:
            with capture_logs() as lines:
                async with following(valkey.url, revocations, MovableClock(NOW)):
                    await until(lambda: bool(feed_errors(lines)))
            await until(lambda: len(redis.client_list()) == 1)

        run(check)


def test_a_malformed_entry_is_skipped(empty_redis: str, revocations: Revocations) -> None:
    with redis_client(empty_redis) as redis:
        redis.xadd(STREAM, {"kind": "jti", "value": "x", "at": "1"})
        redis.xadd(STREAM, {"any": "thing"})
        redis.xadd(STREAM, {"kind": "sid", "value": b"\xff\xfe", "at": str(NOW)})
    publish(empty_redis, "good")

    async def check() -> None:
        async with following(empty_redis, revocations, MovableClock(NOW)):
            await until(lambda: is_refused(revocations, session="good"))

    run(check)


def test_the_feed_evicts_expired_revocations(empty_redis: str, revocations: Revocations) -> None:
    clock = MovableClock(NOW)

    async def check() -> None:
        async with following(empty_redis, revocations, clock):
            publish(empty_redis, "old")
            await until(lambda: len(revocations) == 1)
            clock.move(LIFETIME + 11)  # the leeway of ten seconds is over too
            publish(empty_redis, "new", at=int(clock()))
            await until(lambda: is_refused(revocations, session="new") and len(revocations) == 1)

    run(check)


class TestFailClosed:
    """With REVOCATION_FAIL=closed requests get 503 until the auth service confirms that the stream is complete."""

    @pytest.fixture
    def revocations(self) -> Revocations:
        return Revocations(fail_closed=True)

    def test_requests_get_503_until_every_missing_revocation_is_published(
        self, valkey: Valkey, revocations: Revocations
    ) -> None:
        """At the start, and after Redis was emptied. The reply to another gateway's query does not count."""
        clock = MovableClock(NOW)

        async def check() -> None:
            async with following(valkey.url, revocations, clock) as feed:
                await until(lambda: count_reads(valkey) >= 2)  # so the first read of the empty stream is complete
                assert not feed.loaded
                assert not is_available(revocations, clock())
                assert await until_answered(valkey.url) == 1
                await until(lambda: is_available(revocations, clock()))
                await asyncio.to_thread(valkey.stop)
                clock.move(MAX_FEED_AGE_SECONDS + 1)
                assert not is_available(revocations, clock())
                await asyncio.to_thread(valkey.start)
                with redis_client(valkey.url) as redis:
                    redis.xadd(STREAM, dict(completeness_reply("0" * 32, NOW).items()))
                await until(lambda: count_reads(valkey) >= 2)
                assert not is_available(revocations, clock())
                assert await until_answered(valkey.url, "meanwhile") == 1
                await until(lambda: is_available(revocations, clock()))
                assert is_refused(revocations, now=clock(), session="meanwhile")

        run(check)

    def test_a_lost_completeness_query_is_sent_again(self, empty_redis: str, revocations: Revocations) -> None:
        """For example, an auth service takes the query and stops."""

        async def check() -> None:
            async with following(empty_redis, revocations, MovableClock(NOW)) as feed:
                with redis_client(empty_redis) as redis:
                    await until(lambda: bool(redis.spop(COMPLETENESS_QUERIES)))
                assert await until_answered(empty_redis) == 1
                await until(lambda: feed.loaded)

        run(check)


def test_fail_open_sends_no_completeness_query(empty_redis: str, revocations: Revocations) -> None:
    async def check() -> None:
        async with following(empty_redis, revocations, MovableClock(NOW)) as feed:
            await until(lambda: feed.loaded)
            with redis_client(empty_redis) as redis:
                assert not redis.exists(COMPLETENESS_QUERIES)

    run(check)


def answer_queries(url: str, *missing: str) -> int:
    """Publish the `missing` sessions and reply as the auth service does. Return the number of queries."""
    with redis_client(url, decode_responses=True) as redis:
        queries = redis.spop(COMPLETENESS_QUERIES, 100) or []
        assert isinstance(queries, list)
        if queries:
            publish(url, *missing)
        for query in queries:
            redis.xadd(STREAM, dict(completeness_reply(str(query), NOW).items()))
        return len(queries)


async def until_answered(url: str, *missing: str) -> int:
    """Wait for queries and answer them. Return their number."""
    async with asyncio.timeout(WAIT):
        while not (count := await asyncio.to_thread(answer_queries, url, *missing)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)
    return count


def is_available(revocations: Revocations, now: float) -> bool:
    """Return whether requests are served, instead of answered 503."""
    try:
        revocations.check(read_claims(session="somebody"), now)
    except Refused as refused:
        return refused.code != "revocations_unavailable"
    return True
