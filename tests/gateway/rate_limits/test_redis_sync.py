"""Workers share rate-limit counters through a real Redis server, which tests stop and start again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from chassis.rates import Rate
from chassis.redis_clients import redis_client
from contract.problems import Refused
from gateway.rate_limits.limiter import RateLimiter
from gateway.rate_limits.redis_sync import SharedCounters
from gateway.redis_clients import rate_limit_redis
from gateway.routing.routes import ADDRESS, IDENTITY, RateLimit
from gateway.suspendable import run
from gateway.worker.background_tasks import BackgroundTasks
from tests.clocks import MovableClock
from tests.gateway.stand_ins.valkey import valkey_server

CLIENT = "192.0.2.7"


class Worker:
    """The rate limiter of one worker."""

    def __init__(self, url: str, clock: MovableClock) -> None:
        self.redis = rate_limit_redis(url)
        self.local_states: list[bool] = []
        self.counters = SharedCounters(self.redis, clock, self.local_states.append)
        self.rate_limiter = RateLimiter(self.counters, clock)

    async def admits(self, limit: RateLimit, client: str = CLIENT) -> bool:
        """Return whether one more request is admitted."""
        try:
            await run(self.rate_limiter.admit_address([limit], client))
        except Refused as refused:
            return refused.code != "rate_limited"
        return True

    async def admitted(self, limit: RateLimit, times: int) -> int:
        """Send `times` requests, one after the other, and return how many are admitted."""
        found = 0
        for _ in range(times):
            found += await self.admits(limit)
            await asyncio.sleep(0)
        return found


@asynccontextmanager
async def workers(url: str, clock: MovableClock, number: int = 2) -> AsyncIterator[list[Worker]]:
    made = [Worker(url, clock) for _ in range(number)]
    sharing = BackgroundTasks([worker.counters.keep_sharing for worker in made])
    sharing.start()
    try:
        yield made
    finally:
        await sharing.stop()


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until the condition holds, for at most `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - a real server has no event for it
            await asyncio.sleep(0.01)


def run_scenario(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()

    asyncio.run(main())


@pytest.mark.parametrize("rate", [1, 5, 9])
def test_a_limit_under_ten_is_exact_with_any_number_of_workers(
    empty_redis: str, clock: MovableClock, rate: int
) -> None:
    """One Redis command adds and reads, so no two workers take the same last place."""
    limit = RateLimit("small", ADDRESS, Rate(rate, 60))

    async def scenario() -> None:
        async with workers(empty_redis, clock, 4) as made:
            found = await asyncio.gather(*(worker.admitted(limit, 10) for worker in made for _ in range(5)))
            assert sum(found) == rate

    run_scenario(scenario)


@pytest.mark.parametrize("rate", [100, 1_000])
def test_a_larger_limit_is_exceeded_by_a_tenth_per_worker_at_most(
    empty_redis: str, clock: MovableClock, rate: int
) -> None:
    limit = RateLimit("large", ADDRESS, Rate(rate, 60))

    async def scenario() -> None:
        async with workers(empty_redis, clock, 2) as made:
            found = await asyncio.gather(*(worker.admitted(limit, rate) for worker in made for _ in range(2)))
            assert rate <= sum(found) <= rate + 2 * rate // 10

    run_scenario(scenario)


def test_a_worker_gets_the_sum_of_all_workers_with_its_next_batch(empty_redis: str, clock: MovableClock) -> None:
    """The same batch sends its own counts."""
    limit = RateLimit("batch", ADDRESS, Rate(100, 60))

    async def scenario() -> None:
        async with workers(empty_redis, clock) as (one, two):
            assert await one.admitted(limit, 95) == 95
            assert await two.admitted(limit, 2) == 2
            here = two.counters.counter(limit, CLIENT, clock())
            await until(lambda: here.total == 97)
            assert await two.admitted(limit, 10) == 3

    run_scenario(scenario)


def test_a_client_far_from_its_limit_is_not_sent_to_redis(empty_redis: str, clock: MovableClock) -> None:
    """A worker reports a key once it has counted a fiftieth of the rate: six requests of 300 here."""
    limit = RateLimit("little", ADDRESS, Rate(300, 60))

    async def scenario() -> None:
        async with workers(empty_redis, clock, 1) as (worker,):
            assert await worker.admitted(limit, 5) == 5
            await worker.counters.send_batch()
            with redis_client(empty_redis) as redis:
                assert list(redis.scan_iter("limit:*")) == []
                assert await worker.admits(limit)
                await worker.counters.send_batch()
                (name,) = redis.scan_iter("limit:*")
                assert redis.get(name) == b"6"

    run_scenario(scenario)


def test_a_refused_request_does_not_count(empty_redis: str, clock: MovableClock) -> None:
    limit = RateLimit("refused", ADDRESS, Rate(5, 60))

    async def scenario() -> None:
        async with workers(empty_redis, clock) as (one, two):
            found = await asyncio.gather(*(worker.admits(limit) for worker in (one, two) for _ in range(50)))
            assert sum(found) == 5
            with redis_client(empty_redis) as redis:
                (name,) = redis.scan_iter("limit:*")
                await until(lambda: redis.get(name) == b"5")
                assert 60 < redis.ttl(name) <= 180  # two windows, and a minute of clock skew

    run_scenario(scenario)


def test_a_worker_gets_the_previous_window_from_redis(empty_redis: str, clock: MovableClock) -> None:
    limit = RateLimit("before", ADDRESS, Rate(8, 60))

    async def scenario() -> None:
        async with workers(empty_redis, clock) as (one, two):
            assert await one.admitted(limit, 8) == 8
            clock.move(60)
            assert not await two.admits(limit)
            clock.move(15)
            assert await two.admitted(limit, 8) == 2  # a quarter of the last window is over: 6 of its 8 still count

    clock.now = 1_800_000_000 // 60 * 60  # the start of a window
    run_scenario(scenario)


def test_each_address_and_each_limit_has_its_own_counter(empty_redis: str, clock: MovableClock) -> None:
    limit, other = RateLimit("one", ADDRESS, Rate(1, 60)), RateLimit("other", ADDRESS, Rate(1, 60))

    async def scenario() -> None:
        async with workers(empty_redis, clock, 1) as (worker,):
            assert [await worker.admits(limit, client) for client in (CLIENT, CLIENT, "192.0.2.8")] == [
                True,
                False,
                True,
            ]
            assert await worker.admits(other)

    run_scenario(scenario)


def test_a_client_without_an_address_is_not_limited(empty_redis: str, clock: MovableClock) -> None:
    """All clients on a unix socket are "unknown", and would share one limit."""
    limit = RateLimit("no-address", ADDRESS, Rate(1, 60))

    async def scenario() -> None:
        async with workers(empty_redis, clock, 1) as (worker,):
            assert all([await worker.admits(limit, "unknown") for _ in range(5)])

    run_scenario(scenario)


def test_a_request_that_the_identity_limit_refuses_does_not_count_under_the_address_limit(
    empty_redis: str, clock: MovableClock
) -> None:
    address, identity = RateLimit("a", ADDRESS, Rate(100, 60)), RateLimit("i", IDENTITY, Rate(10, 60))

    async def scenario() -> None:
        async with workers(empty_redis, clock, 1) as (worker,):
            worker.counters.counter(identity, "ada", clock()).shared = 10
            for _ in range(3):
                await run(worker.rate_limiter.admit_address([address, identity], CLIENT))
                with pytest.raises(Refused):
                    await run(worker.rate_limiter.admit_identity([address, identity], CLIENT, "ada"))
            assert worker.counters.counter(address, CLIENT, clock()).total == 0

    run_scenario(scenario)


def test_workers_count_locally_while_redis_is_down_and_share_again_afterwards(clock: MovableClock) -> None:
    """Meanwhile no request waits or fails, and the limit applies per worker."""
    limit = RateLimit("local", ADDRESS, Rate(5, 60))

    async def scenario() -> None:
        with valkey_server() as server:
            async with workers(server.url, clock) as (one, two):
                assert await one.admitted(limit, 2) == 2
                server.stop()
                by_one, by_two = await asyncio.gather(one.admitted(limit, 10), two.admitted(limit, 10))
                assert (by_one, by_two) == (3, 5)
                assert one.local_states == two.local_states == [True]
                server.start()
                await until(lambda: one.local_states == two.local_states == [True, False])
                # The new Redis is empty, so the workers continue from their own counts, or from zero.
                assert sum(await asyncio.gather(one.admitted(limit, 10), two.admitted(limit, 10))) <= 5
                clock.move(120)
                assert sum(await asyncio.gather(one.admitted(limit, 10), two.admitted(limit, 10))) == 5

    run_scenario(scenario)


def test_a_redis_that_hangs_delays_only_the_first_request(clock: MovableClock) -> None:
    limit = RateLimit("hung", ADDRESS, Rate(9, 60))

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        worker = Worker(f"redis://127.0.0.1:{port}", clock)
        sharing = BackgroundTasks([worker.counters.keep_sharing])
        sharing.start()
        async with asyncio.timeout(2):
            assert await worker.admits(limit)
            assert worker.local_states == [True]
            for _ in range(8):
                assert list(worker.rate_limiter.admit_address([limit], CLIENT)) == []  # yields nothing to wait for
            assert not await worker.admits(limit)
        await sharing.stop()
        server.close()

    run_scenario(scenario)


def test_a_client_that_disconnects_while_it_waits_is_counted(empty_redis: str, clock: MovableClock) -> None:
    limit = RateLimit("gone", ADDRESS, Rate(2, 60))

    async def scenario() -> None:
        async with workers(empty_redis, clock, 1) as (worker,):
            gone = asyncio.create_task(worker.admits(limit))
            await asyncio.sleep(0)
            gone.cancel()
            assert await worker.admits(limit)
            assert not await worker.admits(limit)  # the disconnected client has taken one of the two

    run_scenario(scenario)
