"""When an address is left out, and how it comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.outlier_detection import (
    FULL_TRUST,
    LONGEST_TIME,
    OutlierState,
    after_answer,
    after_failure,
    readmitted,
)

NOW = 100.0


def fail(
    standing: OutlierState, now: float = NOW, *, asked_at: float | None = None, eject_after: int = 3
) -> OutlierState:
    return after_failure(
        standing, asked_at=now if asked_at is None else asked_at, now=now, eject_after=eject_after, stretch=1.0
    )


def history(outcomes: str) -> OutlierState:
    """`x` is a failure, `.` an answer."""
    standing = OutlierState()
    for outcome in outcomes:
        standing = fail(standing) if outcome == "x" else after_answer(standing)
    return standing


@pytest.mark.parametrize(
    ("outcomes", "is_out"),
    [
        ("", False),
        ("xx", False),
        ("xxx", True),
        ("xx.x", False),
        ("xx.xx.xx.", False),
        ("xx.xx.xx.xx", True),  # eight of the last sixteen
        ("x.x.x.x.x.x.x.x", True),
        ("x.x.x.x.x.x.x" + "." * 16 + "x", False),
    ],
)
def test_three_in_a_row_or_eight_of_sixteen_are_too_many(outcomes: str, is_out: bool) -> None:
    assert history(outcomes).is_out is is_out


def test_sixteen_answers_make_everything_forgotten() -> None:
    assert not history("xx" + "." * 15).is_calm
    assert history("xx" + "." * 16).is_calm


def test_each_time_is_longer_than_the_last_up_to_half_a_minute() -> None:
    standing, now, times = history("xx"), NOW, []
    for _ in range(7):
        standing = fail(standing, now)
        times.append(standing.out_until - now)
        now = standing.out_until
        standing = readmitted(standing, now)
    assert times == [1, 2, 4, 8, 16, 30, 30]


def test_who_is_back_is_given_little_and_then_more() -> None:
    """One at once, two, four, and so on; after sixteen answers its ejection is forgotten."""
    standing = readmitted(history("xxx"), NOW)
    trials = []
    while standing.trial:
        trials.append(standing.trial)
        standing = after_answer(standing)
    assert trials == [1, 2, 4, 8, 16, FULL_TRUST]
    assert standing.ejections == 1
    for _ in range(10):
        standing = after_answer(standing)
    assert standing.is_calm
    assert standing.ejections == 0


def test_one_failure_ends_a_trial() -> None:
    standing = after_answer(readmitted(history("xxx"), NOW))
    assert fail(standing).is_out


def test_what_was_asked_before_does_not_count_again() -> None:
    """A hundred requests that hang fail at one moment: that is one ejection, and no verdict on who has come back."""
    out = history("xxx")
    assert fail(out) == out
    back = readmitted(out, NOW + 1)
    assert fail(back, NOW + 2, asked_at=NOW) == back


def test_an_upstream_that_ejects_nobody() -> None:
    standing = OutlierState()
    for _ in range(100):
        standing = fail(standing, eject_after=0)
    assert standing.is_calm


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5)), max_size=200), st.integers(1, 16))
def test_whatever_happens_it_returns_in_a_bounded_time(events: list[tuple[bool, float]], eject_after: int) -> None:
    standing, now = OutlierState(), NOW
    for answers, pause in events:
        now += pause
        if standing.is_out and now >= standing.out_until:
            standing = readmitted(standing, now)
        standing = after_answer(standing) if answers else fail(standing, now, eject_after=eject_after)
        assert standing.out_until - now <= LONGEST_TIME
        assert 0 <= standing.trial <= FULL_TRUST
        assert not (standing.is_out and standing.trial)
        assert standing.is_out or standing.recent.bit_count() < 16
