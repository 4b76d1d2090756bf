"""What one worker knows of a limit, as time goes by."""

import pytest

from chassis.rates import Rate
from gateway.rate_limits import sliding_window
from gateway.rate_limits.sliding_window import Count, Counter, Room
from gateway.routing.routes import ADDRESS, RateLimit

NOON = 1_800_000_000.0
"""The start of a window of any length used here."""


def counter(count: int, seconds: int = 60) -> Counter:
    return Counter(RateLimit("id", ADDRESS, Rate(count, seconds)))


def come(counter: Counter, times: int, now: float, key: str = "a") -> Count:
    """Counts `key` so often."""
    count = counter.of(key, now)
    count.own += times
    return count


def test_there_is_room_until_the_rate_is_used_up_and_each_key_has_its_own() -> None:
    limited = counter(30)
    assert come(limited, 29, NOON).left(NOON) == 1
    assert come(limited, 1, NOON).room(NOON) is Room.NONE
    assert limited.of("b", NOON).room(NOON) is Room.FREE


def test_a_worker_goes_on_by_itself_for_a_tenth_of_what_it_knows_to_be_left() -> None:
    count = come(counter(100), 9, NOON)
    assert count.room(NOON) is Room.FREE
    count.own += 1
    assert count.room(NOON) is Room.UNSURE
    count.shared, count.own = 10, 0
    assert count.room(NOON) is Room.FREE


def test_limits_under_ten_are_always_asked_about() -> None:
    assert counter(9).of("a", NOON).room(NOON) is Room.UNSURE


def test_nobody_has_twice_the_rate_across_a_windows_border() -> None:
    limited = counter(60)
    come(limited, 60, NOON + 59)
    assert limited.of("a", NOON + 60).room(NOON + 60) is Room.NONE
    assert limited.of("a", NOON + 75).left(NOON + 75) == pytest.approx(15)
    assert limited.of("a", NOON + 90).left(NOON + 90) == pytest.approx(30)
    assert limited.of("a", NOON + 120).left(NOON + 120) == 60


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
    limited = counter(rate)
    come(limited, before, NOON - 30)
    count = come(limited, total, NOON + into)
    assert count.room(NOON + into) is Room.NONE
    later = NOON + into + count.wait(NOON + into)
    assert limited.of("a", later).left(later) >= 1 - 1e-6
    sooner = later - 1.001
    if sooner > NOON + into:
        before_that = counter(rate)
        come(before_that, before, NOON - 30)
        come(before_that, total, NOON + into)
        assert before_that.of("a", sooner).left(sooner) < 1


def test_a_key_that_stayed_away_for_two_windows_is_forgotten() -> None:
    limited = counter(5)
    come(limited, 5, NOON)
    limited.of("b", NOON + 60)
    limited.of("b", NOON + 120)
    assert len(limited) == 2
    assert limited.of("a", NOON + 120).left(NOON + 120) == 5


def test_memory_is_bounded_and_the_oldest_key_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sliding_window, "MOST_KEYS", 3)
    limited = counter(5)
    for key in "abcd":
        come(limited, 1, NOON, key)
    assert len(limited) == 3
    assert limited.of("d", NOON).total == 1
    assert limited.of("a", NOON).total == 0
