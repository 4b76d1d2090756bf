"""When an upstream is asked, and when it is let alone."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.circuit_breaker import (
    MAX_OPEN_TIME,
    MAX_PROBES,
    MAX_PROBES_PER_CLIENT,
    PROBE_INTERVAL,
    Circuit,
    after_failure,
    after_request,
    after_response,
)

BREAK_AFTER = 3
NOW = 100.0
SHUT_UNTIL = NOW + 1

CLOSED = Circuit()
SHAKEN = Circuit(failures=BREAK_AFTER - 1)
OPEN = Circuit("open", 0, 1, changed_at=NOW, until=SHUT_UNTIL)
HALF = Circuit("half-open", 0, 1, changed_at=SHUT_UNTIL, until=SHUT_UNTIL + PROBE_INTERVAL, probed_by=("a",))
CLIENTS = tuple(f"c{number}" for number in range(MAX_PROBES))
USED_UP = Circuit("half-open", 0, 1, changed_at=SHUT_UNTIL, until=SHUT_UNTIL + PROBE_INTERVAL, probed_by=CLIENTS)

Event = Callable[[Circuit, float], Circuit]


def ask(circuit: Circuit, now: float) -> Circuit:
    return after_request(circuit, now, "a")[0]


def answer(circuit: Circuit, now: float) -> Circuit:
    return after_response()


def fail(circuit: Circuit, now: float) -> Circuit:
    return after_failure(circuit, sent_at=now, now=now, break_after=BREAK_AFTER)


def fail_late(circuit: Circuit, now: float) -> Circuit:
    """A request that was sent before any of these states fails."""
    return after_failure(circuit, sent_at=NOW - 1, now=now, break_after=BREAK_AFTER)


def opened(pauses: int, now: float, seconds: float) -> Circuit:
    return Circuit("open", 0, pauses, changed_at=now, until=now + seconds)


LATER = SHUT_UNTIL + PROBE_INTERVAL
TABLE = [
    (CLOSED, ask, NOW, CLOSED),
    (CLOSED, answer, NOW, CLOSED),
    (CLOSED, fail, NOW, Circuit(failures=1)),
    (CLOSED, fail_late, NOW, Circuit(failures=1)),
    (SHAKEN, ask, NOW, SHAKEN),
    (SHAKEN, answer, NOW, CLOSED),
    (SHAKEN, fail, NOW, OPEN),
    (SHAKEN, fail_late, NOW, OPEN),
    (OPEN, ask, NOW, OPEN),
    (OPEN, ask, SHUT_UNTIL, HALF),
    (OPEN, answer, NOW, CLOSED),
    (OPEN, answer, SHUT_UNTIL, CLOSED),
    (OPEN, fail, NOW, OPEN),
    (OPEN, fail_late, NOW, OPEN),
    (HALF, ask, SHUT_UNTIL, Circuit("half-open", 0, 1, HALF.changed_at, HALF.until, ("a", "a"))),
    (HALF, ask, LATER, Circuit("half-open", 0, 1, HALF.changed_at, LATER + PROBE_INTERVAL, ("a",))),
    (HALF, answer, SHUT_UNTIL, CLOSED),
    (HALF, fail, SHUT_UNTIL, opened(2, SHUT_UNTIL, 2)),
    (HALF, fail_late, SHUT_UNTIL, HALF),
    (USED_UP, ask, SHUT_UNTIL, USED_UP),
    (USED_UP, ask, LATER, Circuit("half-open", 0, 1, HALF.changed_at, LATER + PROBE_INTERVAL, ("a",))),
    (USED_UP, answer, SHUT_UNTIL, CLOSED),
    (USED_UP, fail, SHUT_UNTIL, opened(2, SHUT_UNTIL, 2)),
    (USED_UP, fail_late, SHUT_UNTIL, USED_UP),
]


@pytest.mark.parametrize(("circuit", "event", "now", "expected"), TABLE)
def test_the_whole_table(circuit: Circuit, event: Event, now: float, expected: Circuit) -> None:
    assert event(circuit, now) == expected


@pytest.mark.parametrize(
    ("circuit", "now", "passes"),
    [
        (CLOSED, NOW, True),
        (SHAKEN, NOW, True),
        (OPEN, SHUT_UNTIL - 0.001, False),
        (OPEN, SHUT_UNTIL, True),
        (HALF, SHUT_UNTIL, True),
        (USED_UP, SHUT_UNTIL, False),
        (USED_UP, LATER, True),
    ],
)
def test_who_may_pass(circuit: Circuit, now: float, passes: bool) -> None:
    assert after_request(circuit, now)[1] is passes


def test_no_client_takes_every_probe() -> None:
    """One whose requests hang, at any rate, leaves places for others."""
    circuit = OPEN
    passed = []
    for client in ["hanging"] * 100 + ["other"] * 100 + ["third"] * 100:
        circuit, passes = after_request(circuit, SHUT_UNTIL, client)
        passed += [client] * passes
    assert passed == [client for client in ("hanging", "other", "third") for _ in range(MAX_PROBES_PER_CLIENT)]


def test_pauses_grow_to_the_longest_and_are_stretched() -> None:
    circuit, now, pauses = SHAKEN, NOW, []
    for _ in range(6):
        circuit = after_failure(circuit, sent_at=now, now=now, break_after=BREAK_AFTER, jitter=1.25)
        pauses.append(circuit.until - now)
        now = circuit.until
        circuit = ask(circuit, now)
    assert pauses == [1.25, 2.5, 5, 5, 5, 5]


def test_an_upstream_without_a_breaker_is_always_asked() -> None:
    circuit = CLOSED
    for _ in range(100):
        circuit = after_failure(circuit, sent_at=NOW, now=NOW, break_after=0)
    assert circuit == CLOSED


EVENTS = st.lists(
    st.tuples(st.sampled_from(["ask", "answer", "fail"]), st.floats(0, 3), st.floats(0, 10)), max_size=200
)


@given(EVENTS, st.integers(1, 6))
def test_whatever_happens_it_stays_shut_for_a_bounded_time_and_lets_few_through(
    events: list[tuple[str, float, float]], break_after: int
) -> None:
    circuit, now = Circuit(), NOW
    passed_in_turn = 0
    for event, pause, age in events:
        now += pause
        before = circuit
        if event == "ask":
            circuit, passes = after_request(circuit, now)
            passed_in_turn = 1 if circuit.until != before.until else passed_in_turn + passes
            assert passes or now < circuit.until
            assert circuit.state != "half-open" or passed_in_turn <= MAX_PROBES
        elif event == "answer":
            circuit = after_response()
        else:
            circuit = after_failure(circuit, sent_at=now - age, now=now, break_after=break_after, jitter=1.5)
        assert circuit.state == "closed" or circuit.until - now <= MAX_OPEN_TIME * 1.5
        assert (circuit.state == "closed") == (circuit.until == 0)
        assert circuit.failures < break_after
        assert circuit.state != "closed" or before.state == "closed" or circuit.is_clean
