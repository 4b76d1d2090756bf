"""When an upstream is asked, and when it is let alone."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.circuit_breaker import (
    LONGEST_PAUSE,
    PROBE_TIME,
    PROBES,
    PROBES_A_CLIENT,
    CircuitBreaker,
    after_answer,
    after_asking,
    after_failure,
)

BREAK_AFTER = 3
NOW = 100.0
SHUT_UNTIL = NOW + 1

CLOSED = CircuitBreaker()
SHAKEN = CircuitBreaker(failures=BREAK_AFTER - 1)
OPEN = CircuitBreaker("open", 0, 1, since=NOW, until=SHUT_UNTIL)
HALF = CircuitBreaker("half-open", 0, 1, since=SHUT_UNTIL, until=SHUT_UNTIL + PROBE_TIME, probed_by=("a",))
CLIENTS = tuple(f"c{number}" for number in range(PROBES))
USED_UP = CircuitBreaker("half-open", 0, 1, since=SHUT_UNTIL, until=SHUT_UNTIL + PROBE_TIME, probed_by=CLIENTS)

Event = Callable[[CircuitBreaker, float], CircuitBreaker]


def ask(circuit: CircuitBreaker, now: float) -> CircuitBreaker:
    return after_asking(circuit, now, "a")[0]


def answer(circuit: CircuitBreaker, now: float) -> CircuitBreaker:
    return after_answer()


def fail(circuit: CircuitBreaker, now: float) -> CircuitBreaker:
    return after_failure(circuit, asked_at=now, now=now, break_after=BREAK_AFTER)


def fail_late(circuit: CircuitBreaker, now: float) -> CircuitBreaker:
    """A request that was sent before any of these states fails."""
    return after_failure(circuit, asked_at=NOW - 1, now=now, break_after=BREAK_AFTER)


def opened(pauses: int, now: float, seconds: float) -> CircuitBreaker:
    return CircuitBreaker("open", 0, pauses, since=now, until=now + seconds)


LATER = SHUT_UNTIL + PROBE_TIME
TABLE = [
    (CLOSED, ask, NOW, CLOSED),
    (CLOSED, answer, NOW, CLOSED),
    (CLOSED, fail, NOW, CircuitBreaker(failures=1)),
    (CLOSED, fail_late, NOW, CircuitBreaker(failures=1)),
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
    (HALF, ask, SHUT_UNTIL, CircuitBreaker("half-open", 0, 1, HALF.since, HALF.until, ("a", "a"))),
    (HALF, ask, LATER, CircuitBreaker("half-open", 0, 1, HALF.since, LATER + PROBE_TIME, ("a",))),
    (HALF, answer, SHUT_UNTIL, CLOSED),
    (HALF, fail, SHUT_UNTIL, opened(2, SHUT_UNTIL, 2)),
    (HALF, fail_late, SHUT_UNTIL, HALF),
    (USED_UP, ask, SHUT_UNTIL, USED_UP),
    (USED_UP, ask, LATER, CircuitBreaker("half-open", 0, 1, HALF.since, LATER + PROBE_TIME, ("a",))),
    (USED_UP, answer, SHUT_UNTIL, CLOSED),
    (USED_UP, fail, SHUT_UNTIL, opened(2, SHUT_UNTIL, 2)),
    (USED_UP, fail_late, SHUT_UNTIL, USED_UP),
]


@pytest.mark.parametrize(("circuit", "event", "now", "expected"), TABLE)
def test_the_whole_table(circuit: CircuitBreaker, event: Event, now: float, expected: CircuitBreaker) -> None:
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
def test_who_may_pass(circuit: CircuitBreaker, now: float, passes: bool) -> None:
    assert after_asking(circuit, now)[1] is passes


def test_no_client_takes_every_probe() -> None:
    """One whose requests hang, at any rate, leaves places for others."""
    circuit = OPEN
    passed = []
    for client in ["hanging"] * 100 + ["other"] * 100 + ["third"] * 100:
        circuit, passes = after_asking(circuit, SHUT_UNTIL, client)
        passed += [client] * passes
    assert passed == [client for client in ("hanging", "other", "third") for _ in range(PROBES_A_CLIENT)]


def test_pauses_grow_to_the_longest_and_are_stretched() -> None:
    circuit, now, pauses = SHAKEN, NOW, []
    for _ in range(6):
        circuit = after_failure(circuit, asked_at=now, now=now, break_after=BREAK_AFTER, stretch=1.25)
        pauses.append(circuit.until - now)
        now = circuit.until
        circuit = ask(circuit, now)
    assert pauses == [1.25, 2.5, 5, 5, 5, 5]


def test_an_upstream_without_a_breaker_is_always_asked() -> None:
    circuit = CLOSED
    for _ in range(100):
        circuit = after_failure(circuit, asked_at=NOW, now=NOW, break_after=0)
    assert circuit == CLOSED


EVENTS = st.lists(
    st.tuples(st.sampled_from(["ask", "answer", "fail"]), st.floats(0, 3), st.floats(0, 10)), max_size=200
)


@given(EVENTS, st.integers(1, 6))
def test_whatever_happens_it_stays_shut_for_a_bounded_time_and_lets_few_through(
    events: list[tuple[str, float, float]], break_after: int
) -> None:
    circuit, now = CircuitBreaker(), NOW
    passed_in_turn = 0
    for event, pause, age in events:
        now += pause
        before = circuit
        if event == "ask":
            circuit, passes = after_asking(circuit, now)
            passed_in_turn = 1 if circuit.until != before.until else passed_in_turn + passes
            assert passes or now < circuit.until
            assert circuit.state != "half-open" or passed_in_turn <= PROBES
        elif event == "answer":
            circuit = after_answer()
        else:
            circuit = after_failure(circuit, asked_at=now - age, now=now, break_after=break_after, stretch=1.5)
        assert circuit.state == "closed" or circuit.until - now <= LONGEST_PAUSE * 1.5
        assert (circuit.state == "closed") == (circuit.until == 0)
        assert circuit.failures < break_after
        assert circuit.state != "closed" or before.state == "closed" or circuit.is_calm
