"""When an address is left out, and how it comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.outlier_detection import (
    MAX_EJECTION_TIME,
    MAX_TRIAL_REQUESTS,
    OutlierState,
    after_failure,
    after_readmission,
    after_response,
)

NOW = 100.0


def fail(
    state: OutlierState, now: float = NOW, *, sent_at: float | None = None, eject_after: int = 3
) -> OutlierState:
    return after_failure(
        state, sent_at=now if sent_at is None else sent_at, now=now, eject_after=eject_after, jitter=1.0
    )


def history(outcomes: str) -> OutlierState:
    """`x` is a failure, `.` an answer."""
    state = OutlierState()
    for outcome in outcomes:
        state = fail(state) if outcome == "x" else after_response(state)
    return state


@pytest.mark.parametrize(
    ("outcomes", "is_ejected"),
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
def test_three_in_a_row_or_eight_of_sixteen_are_too_many(outcomes: str, is_ejected: bool) -> None:
    assert history(outcomes).is_ejected is is_ejected


def test_sixteen_answers_make_everything_forgotten() -> None:
    assert not history("xx" + "." * 15).is_clean
    assert history("xx" + "." * 16).is_clean


def test_each_time_is_longer_than_the_last_up_to_half_a_minute() -> None:
    state, now, times = history("xx"), NOW, []
    for _ in range(7):
        state = fail(state, now)
        times.append(state.ejected_until - now)
        now = state.ejected_until
        state = after_readmission(state, now)
    assert times == [1, 2, 4, 8, 16, 30, 30]


def test_who_is_back_is_given_little_and_then_more() -> None:
    """One at once, two, four, and so on; after sixteen answers its ejection is forgotten."""
    state = after_readmission(history("xxx"), NOW)
    trials = []
    while state.trial_requests:
        trials.append(state.trial_requests)
        state = after_response(state)
    assert trials == [1, 2, 4, 8, 16, MAX_TRIAL_REQUESTS]
    assert state.ejections == 1
    for _ in range(10):
        state = after_response(state)
    assert state.is_clean
    assert state.ejections == 0


def test_one_failure_ends_a_trial() -> None:
    state = after_response(after_readmission(history("xxx"), NOW))
    assert fail(state).is_ejected


def test_what_was_asked_before_does_not_count_again() -> None:
    """A hundred requests that hang fail at one moment: that is one ejection, and no verdict on who has come back."""
    out = history("xxx")
    assert fail(out) == out
    back = after_readmission(out, NOW + 1)
    assert fail(back, NOW + 2, sent_at=NOW) == back


def test_an_upstream_that_ejects_nobody() -> None:
    state = OutlierState()
    for _ in range(100):
        state = fail(state, eject_after=0)
    assert state.is_clean


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5)), max_size=200), st.integers(1, 16))
def test_whatever_happens_it_returns_in_a_bounded_time(events: list[tuple[bool, float]], eject_after: int) -> None:
    state, now = OutlierState(), NOW
    for answers, pause in events:
        now += pause
        if state.is_ejected and now >= state.ejected_until:
            state = after_readmission(state, now)
        state = after_response(state) if answers else fail(state, now, eject_after=eject_after)
        assert state.ejected_until - now <= MAX_EJECTION_TIME
        assert 0 <= state.trial_requests <= MAX_TRIAL_REQUESTS
        assert not (state.is_ejected and state.trial_requests)
        assert state.is_ejected or state.history.bit_count() < 16
