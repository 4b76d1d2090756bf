"""Attempt counters: each promise holds with Redis and in a worker without Redis."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis

from auth_service.redis_client import RedisClient
from auth_service.throttling.attempt_counters import AttemptCounters, Counter
from chassis.rates import Rate

LIMIT_3, LIMIT_9 = Counter(Rate(3, 60), ("limit 3",)), Counter(Rate(9, 60), ("limit 9",))
TRUST = Counter(Rate(1, 60), ("trust",))
UNLESS_TRUSTED = Counter(LIMIT_3.rate, LIMIT_3.name, TRUST)


@pytest.fixture(params=["with Redis", "without Redis"])
def counters(request: pytest.FixtureRequest, valkey: str, redis: Redis, tmp_path: Path) -> Iterator[AttemptCounters]:
    redis_client = RedisClient(valkey if request.param == "with Redis" else f"unix://{tmp_path}/nobody")
    yield AttemptCounters(redis_client)
    redis_client.close()


def admitted(attempt_counters: AttemptCounters, *counters: Counter, times: int) -> int:
    """Make `times` attempts that `counters` count, and return how many were admitted."""
    return sum(attempt_counters.admit(*counters).wait_seconds == 0 for _ in range(times))


def test_as_many_attempts_are_admitted_as_the_rate_allows(counters: AttemptCounters) -> None:
    assert admitted(counters, LIMIT_3, times=5) == 3
    assert 1 <= counters.admit(LIMIT_3).wait_seconds <= 60


def test_an_attempt_that_one_counter_refuses_is_not_counted(counters: AttemptCounters) -> None:
    assert admitted(counters, LIMIT_9, LIMIT_3, times=20) == 3
    assert admitted(counters, LIMIT_9, times=20) == 6


def test_parallel_attempts_do_not_exceed_the_rate(counters: AttemptCounters) -> None:
    with ThreadPoolExecutor(16) as pool:
        admissions = sum(pool.map(lambda _: admitted(counters, LIMIT_3, LIMIT_9, times=4), range(16)))
    assert admissions == 3


def test_a_decremented_attempt_may_be_repeated(counters: AttemptCounters) -> None:
    admission = [counters.admit(LIMIT_9, LIMIT_3) for _ in range(3)][-1]
    assert list(admission.counted_by) == [LIMIT_9, LIMIT_3]
    counters.decrement(admission.counted_by)
    assert admitted(counters, LIMIT_9, LIMIT_3, times=5) == 1


def test_a_waived_counter_neither_counts_nor_refuses(counters: AttemptCounters) -> None:
    counters.update(reset=[LIMIT_3], set_to_one=[TRUST])
    assert list(counters.admit(LIMIT_9, UNLESS_TRUSTED).counted_by) == [LIMIT_9]
    assert admitted(counters, UNLESS_TRUSTED, times=9) == 9
    assert admitted(counters, LIMIT_3, times=9) == 3
    assert admitted(counters, UNLESS_TRUSTED, times=9) == 9


def test_update_resets_one_counter_and_decrements_another(counters: AttemptCounters) -> None:
    assert admitted(counters, LIMIT_3, times=3) == 3
    assert admitted(counters, LIMIT_9, times=9) == 9
    counters.update(reset=[LIMIT_3], decremented=[LIMIT_9], set_to_one=[TRUST])
    assert admitted(counters, LIMIT_3, times=9) == 3
    assert admitted(counters, LIMIT_9, times=9) == 1


def test_every_key_expires(valkey: str, redis: Redis) -> None:
    """Also the keys of counters that are decremented or updated after their window has ended."""
    redis_client = RedisClient(valkey)
    counters = AttemptCounters(redis_client)
    other = Counter(LIMIT_9.rate, ("other",))
    counters.admit(LIMIT_9)
    counters.decrement([LIMIT_3])
    counters.update(reset=[Counter(LIMIT_3.rate, ("failed",))], decremented=[other], set_to_one=[TRUST])
    counters.decrement([LIMIT_3])
    redis_client.close()
    lifetimes = {name: redis.ttl(name) for name in redis.scan_iter()}
    assert set(lifetimes) == {counter.key for counter in (LIMIT_9, LIMIT_3, other, TRUST)}
    assert all(0 < seconds <= 60 for seconds in lifetimes.values())
