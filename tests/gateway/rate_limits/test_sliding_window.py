"""What one worker knows of a limit, as time goes by."""

import pytest

from chassis.rates import Rate
from gateway.rate_limits import sliding_window
from gateway.rate_limits.sliding_window import Decision, LimitCounters, WindowCounter
from gateway.routing.routes import ADDRESS, RateLimit

NOON = 1_800_000_000.0
"""The start of a window of any length used here."""


def counters(count: int, seconds: int = 60) -> LimitCounters:
    return LimitCounters(RateLimit("id", ADDRESS, Rate(count, seconds)))


def come(counters: LimitCounters, times: int, now: float, key: str = "a") -> WindowCounter:
    """Counts `key` so often."""
    counter = counters.counter(key, now)
    counter.own += times
    return counter


def test_there_is_room_until_the_rate_is_used_up_and_each_key_has_its_own() -> None:
    limited = counters(30)
    assert come(limited, 29, NOON).remaining(NOON) == 1
    assert come(limited, 1, NOON).decide(NOON) is Decision.REFUSE
    assert limited.counter("b", NOON).decide(NOON) is Decision.ADMIT


def test_a_worker_goes_on_by_itself_for_a_tenth_of_what_it_knows_to_be_left() -> None:
    count = come(counters(100), 9, NOON)
    assert count.decide(NOON) is Decision.ADMIT
    count.own += 1
    assert count.decide(NOON) is Decision.ASK
    count.shared, count.own = 10, 0
    assert count.decide(NOON) is Decision.ADMIT


def test_limits_under_ten_are_always_asked_about() -> None:
    assert counters(9).counter("a", NOON).decide(NOON) is Decision.ASK


def test_nobody_has_twice_the_rate_across_a_windows_border() -> None:
    limited = counters(60)
    come(limited, 60, NOON + 59)
    assert limited.counter("a", NOON + 60).decide(NOON + 60) is Decision.REFUSE
    assert limited.counter("a", NOON + 75).remaining(NOON + 75) == pytest.approx(15)
    assert limited.counter("a", NOON + 90).remaining(NOON + 90) == pytest.approx(30)
    assert limited.counter("a", NOON + 120).remaining(NOON + 120) == 60


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
def test_after_the_wait_there_is_room_and_a_second_before_there_was_none(
    rate: int, total: int, before: int, into: float
) -> None:
    limited = counters(rate)
    come(limited, before, NOON - 30)
    count = come(limited, total, NOON + into)
    assert count.decide(NOON + into) is Decision.REFUSE
    later = NOON + into + count.retry_after(NOON + into)
    assert limited.counter("a", later).remaining(later) >= 1 - 1e-6
    sooner = later - 1.001
    if sooner > NOON + into:
        before_that = counters(rate)
        come(before_that, before, NOON - 30)
        come(before_that, total, NOON + into)
        assert before_that.counter("a", sooner).remaining(sooner) < 1


def test_a_key_that_stayed_away_for_two_windows_is_forgotten() -> None:
    limited = counters(5)
    come(limited, 5, NOON)
    limited.counter("b", NOON + 60)
    limited.counter("b", NOON + 120)
    assert len(limited) == 2
    assert limited.counter("a", NOON + 120).remaining(NOON + 120) == 5


def test_memory_is_bounded_and_the_oldest_key_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sliding_window, "MAX_KEYS", 3)
    limited = counters(5)
    for key in "abcd":
        come(limited, 1, NOON, key)
    assert len(limited) == 3
    assert limited.counter("d", NOON).total == 1
    assert limited.counter("a", NOON).total == 0
