"""When an address is ejected, and how it is readmitted."""

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
    """Return the state after `outcomes`: `x` is a failure, `.` a response."""
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
def test_three_consecutive_failures_or_eight_of_sixteen_eject(outcomes: str, is_ejected: bool) -> None:
    assert history(outcomes).is_ejected is is_ejected


def test_sixteen_consecutive_responses_clear_the_state() -> None:
    assert not history("xx" + "." * 15).has_no_failures
    assert history("xx" + "." * 16).has_no_failures


def test_ejection_times_double_up_to_the_maximum() -> None:
    state, now, ejection_times = history("xx"), NOW, []
    for _ in range(7):
        state = fail(state, now)
        ejection_times.append(state.ejected_until - now)
        now = state.ejected_until
        state = after_readmission(state, now)
    assert ejection_times == [1, 2, 4, 8, 16, 30, 30]


def test_a_trial_allows_more_concurrent_requests_with_each_response() -> None:
    """After sixteen responses the count of ejections is 0 again."""
    state = after_readmission(history("xxx"), NOW)
    limits = []
    while state.trial_requests:
        limits.append(state.trial_requests)
        state = after_response(state)
    assert limits == [1, 2, 4, 8, 16, MAX_TRIAL_REQUESTS]
    assert state.ejections == 1
    for _ in range(10):
        state = after_response(state)
    assert state.has_no_failures
    assert state.ejections == 0


def test_one_failure_on_trial_ejects_again() -> None:
    state = after_response(after_readmission(history("xxx"), NOW))
    assert fail(state).is_ejected


def test_requests_sent_before_an_ejection_or_readmission_do_not_count() -> None:
    """A hundred requests that time out together cause one ejection, and none after the readmission."""
    ejected = history("xxx")
    assert fail(ejected) == ejected
    readmitted = after_readmission(ejected, NOW + 1)
    assert fail(readmitted, NOW + 2, sent_at=NOW) == readmitted


def test_eject_after_0_never_ejects() -> None:
    state = OutlierState()
    for _ in range(100):
        state = fail(state, eject_after=0)
    assert state.has_no_failures


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5)), max_size=200), st.integers(1, 16))
def test_after_any_events_the_ejection_time_and_the_trial_are_bounded(
    events: list[tuple[bool, float]], eject_after: int
) -> None:
    state, now = OutlierState(), NOW
    for responds, pause in events:
        now += pause
        if state.is_ejected and now >= state.ejected_until:
            state = after_readmission(state, now)
        state = after_response(state) if responds else fail(state, now, eject_after=eject_after)
        assert state.ejected_until - now <= MAX_EJECTION_TIME
        assert 0 <= state.trial_requests <= MAX_TRIAL_REQUESTS
        assert not (state.is_ejected and state.trial_requests)
        assert state.is_ejected or state.history.bit_count() < 16
