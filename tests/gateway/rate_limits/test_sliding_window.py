"""The sliding-window counters of one worker."""

import pytest

from chassis.rates import Rate
from gateway.rate_limits import sliding_window
from gateway.rate_limits.sliding_window import Decision, LimitCounters, WindowCounter
from gateway.routing.routes import ADDRESS, RateLimit

WINDOW_START = 1_800_000_000.0
"""The start of a window of any length used here."""


def counters(count: int, seconds: int = 60) -> LimitCounters:
    return LimitCounters(RateLimit("id", ADDRESS, Rate(count, seconds)))


def count(counters: LimitCounters, times: int, now: float, key: str = "a") -> WindowCounter:
    """Add `times` requests to the counter of `key` and return the counter."""
    counter = counters.counter(key, now)
    counter.own += times
    return counter


def test_each_key_is_admitted_until_its_rate_is_used_up() -> None:
    limited = counters(30)
    assert count(limited, 29, WINDOW_START).remaining(WINDOW_START) == 1
    assert count(limited, 1, WINDOW_START).decide(WINDOW_START) is Decision.REFUSE
    assert limited.counter("b", WINDOW_START).decide(WINDOW_START) is Decision.ADMIT


def test_a_worker_admits_a_tenth_of_the_remaining_requests_without_redis() -> None:
    counter = count(counters(100), 9, WINDOW_START)
    assert counter.decide(WINDOW_START) is Decision.ADMIT
    counter.own += 1
    assert counter.decide(WINDOW_START) is Decision.CHECK_REDIS
    counter.shared, counter.own = 10, 0
    assert counter.decide(WINDOW_START) is Decision.ADMIT


def test_with_a_limit_under_ten_every_request_checks_redis() -> None:
    assert counters(9).counter("a", WINDOW_START).decide(WINDOW_START) is Decision.CHECK_REDIS


def test_the_rate_is_not_doubled_at_the_boundary_of_two_windows() -> None:
    limited = counters(60)
    count(limited, 60, WINDOW_START + 59)
    assert limited.counter("a", WINDOW_START + 60).decide(WINDOW_START + 60) is Decision.REFUSE
    assert limited.counter("a", WINDOW_START + 75).remaining(WINDOW_START + 75) == pytest.approx(15)
    assert limited.counter("a", WINDOW_START + 90).remaining(WINDOW_START + 90) == pytest.approx(30)
    assert limited.counter("a", WINDOW_START + 120).remaining(WINDOW_START + 120) == 60


@pytest.mark.parametrize(
    ("rate", "total", "before", "into"),
    [
        *[(rate, total, 0, into) for rate, total in ((1, 1), (10, 10), (10, 14)) for into in (0.0, 1.5, 59.0)],
        *[(10, 14, 10, into) for into in (0.0, 1.5, 59.0)],
        (10, 3, 9, 0.0),
        (10, 3, 9, 12.5),
        (2, 1, 2, 29.0),
    ],
)
def test_retry_after_is_the_first_second_in_which_a_request_is_admitted(
    rate: int, total: int, before: int, into: float
) -> None:
    """After `before` requests in the previous window and `total` in this one, `into` seconds after its start."""
    limited = counters(rate)
    count(limited, before, WINDOW_START - 30)
    counter = count(limited, total, WINDOW_START + into)
    assert counter.decide(WINDOW_START + into) is Decision.REFUSE
    later = WINDOW_START + into + counter.retry_after(WINDOW_START + into)
    assert limited.counter("a", later).remaining(later) >= 1 - 1e-6
    sooner = later - 1.001
    if sooner > WINDOW_START + into:
        before_that = counters(rate)
        count(before_that, before, WINDOW_START - 30)
        count(before_that, total, WINDOW_START + into)
        assert before_that.counter("a", sooner).remaining(sooner) < 1


def test_a_key_without_requests_for_two_windows_is_removed() -> None:
    limited = counters(5)
    count(limited, 5, WINDOW_START)
    limited.counter("b", WINDOW_START + 60)
    limited.counter("b", WINDOW_START + 120)
    assert len(limited) == 2
    assert limited.counter("a", WINDOW_START + 120).remaining(WINDOW_START + 120) == 5


def test_the_number_of_keys_is_bounded_and_the_oldest_is_evicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sliding_window, "MAX_KEYS", 3)
    limited = counters(5)
    for key in "abcd":
        count(limited, 1, WINDOW_START, key)
    assert len(limited) == 3
    assert limited.counter("d", WINDOW_START).total == 1
    assert limited.counter("a", WINDOW_START).total == 0
