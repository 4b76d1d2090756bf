"""The transitions of the circuit breaker."""

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
OPEN_UNTIL = NOW + 1

CLOSED = Circuit()
WITH_FAILURES = Circuit(failures=BREAK_AFTER - 1)
OPEN = Circuit("open", 0, 1, changed_at=NOW, until=OPEN_UNTIL)
HALF_OPEN = Circuit("half-open", 0, 1, changed_at=OPEN_UNTIL, until=OPEN_UNTIL + PROBE_INTERVAL, probed_by=("a",))
CLIENTS = tuple(f"c{number}" for number in range(MAX_PROBES))
NO_PROBES_LEFT = Circuit(
    "half-open", 0, 1, changed_at=OPEN_UNTIL, until=OPEN_UNTIL + PROBE_INTERVAL, probed_by=CLIENTS
)

Event = Callable[[Circuit, float], Circuit]


def request(circuit: Circuit, now: float) -> Circuit:
    return after_request(circuit, now, "a")[0]


def respond(circuit: Circuit, now: float) -> Circuit:
    return after_response()


def fail(circuit: Circuit, now: float) -> Circuit:
    return after_failure(circuit, sent_at=now, now=now, break_after=BREAK_AFTER)


def fail_old(circuit: Circuit, now: float) -> Circuit:
    """Record a failure of a request that was sent before NOW."""
    return after_failure(circuit, sent_at=NOW - 1, now=now, break_after=BREAK_AFTER)


def opened(openings: int, now: float, seconds: float) -> Circuit:
    return Circuit("open", 0, openings, changed_at=now, until=now + seconds)


NEXT_ROUND = OPEN_UNTIL + PROBE_INTERVAL
TABLE = [
    (CLOSED, request, NOW, CLOSED),
    (CLOSED, respond, NOW, CLOSED),
    (CLOSED, fail, NOW, Circuit(failures=1)),
    (CLOSED, fail_old, NOW, Circuit(failures=1)),
    (WITH_FAILURES, request, NOW, WITH_FAILURES),
    (WITH_FAILURES, respond, NOW, CLOSED),
    (WITH_FAILURES, fail, NOW, OPEN),
    (WITH_FAILURES, fail_old, NOW, OPEN),
    (OPEN, request, NOW, OPEN),
    (OPEN, request, OPEN_UNTIL, HALF_OPEN),
    (OPEN, respond, NOW, CLOSED),
    (OPEN, respond, OPEN_UNTIL, CLOSED),
    (OPEN, fail, NOW, OPEN),
    (OPEN, fail_old, NOW, OPEN),
    (HALF_OPEN, request, OPEN_UNTIL, Circuit("half-open", 0, 1, HALF_OPEN.changed_at, HALF_OPEN.until, ("a", "a"))),
    (
        HALF_OPEN,
        request,
        NEXT_ROUND,
        Circuit("half-open", 0, 1, HALF_OPEN.changed_at, NEXT_ROUND + PROBE_INTERVAL, ("a",)),
    ),
    (HALF_OPEN, respond, OPEN_UNTIL, CLOSED),
    (HALF_OPEN, fail, OPEN_UNTIL, opened(2, OPEN_UNTIL, 2)),
    (HALF_OPEN, fail_old, OPEN_UNTIL, HALF_OPEN),
    (NO_PROBES_LEFT, request, OPEN_UNTIL, NO_PROBES_LEFT),
    (
        NO_PROBES_LEFT,
        request,
        NEXT_ROUND,
        Circuit("half-open", 0, 1, HALF_OPEN.changed_at, NEXT_ROUND + PROBE_INTERVAL, ("a",)),
    ),
    (NO_PROBES_LEFT, respond, OPEN_UNTIL, CLOSED),
    (NO_PROBES_LEFT, fail, OPEN_UNTIL, opened(2, OPEN_UNTIL, 2)),
    (NO_PROBES_LEFT, fail_old, OPEN_UNTIL, NO_PROBES_LEFT),
]


@pytest.mark.parametrize(("circuit", "event", "now", "expected"), TABLE)
def test_every_transition(circuit: Circuit, event: Event, now: float, expected: Circuit) -> None:
    assert event(circuit, now) == expected


@pytest.mark.parametrize(
    ("circuit", "now", "passes"),
    [
        (CLOSED, NOW, True),
        (WITH_FAILURES, NOW, True),
        (OPEN, OPEN_UNTIL - 0.001, False),
        (OPEN, OPEN_UNTIL, True),
        (HALF_OPEN, OPEN_UNTIL, True),
        (NO_PROBES_LEFT, OPEN_UNTIL, False),
        (NO_PROBES_LEFT, NEXT_ROUND, True),
    ],
)
def test_requests_pass_while_closed_and_as_probes_while_half_open(circuit: Circuit, now: float, passes: bool) -> None:
    assert after_request(circuit, now)[1] is passes


def test_the_probes_of_one_client_are_limited() -> None:
    circuit = OPEN
    passed = []
    for client in ["hanging"] * 100 + ["other"] * 100 + ["third"] * 100:
        circuit, passes = after_request(circuit, OPEN_UNTIL, client)
        passed += [client] * passes
    assert passed == [client for client in ("hanging", "other", "third") for _ in range(MAX_PROBES_PER_CLIENT)]


def test_open_times_double_up_to_the_maximum_times_the_jitter() -> None:
    circuit, now, open_times = WITH_FAILURES, NOW, []
    for _ in range(6):
        circuit = after_failure(circuit, sent_at=now, now=now, break_after=BREAK_AFTER, jitter=1.25)
        open_times.append(circuit.until - now)
        now = circuit.until
        circuit = request(circuit, now)
    assert open_times == [1.25, 2.5, 5, 5, 5, 5]


def test_break_after_0_never_opens_the_circuit() -> None:
    circuit = CLOSED
    for _ in range(100):
        circuit = after_failure(circuit, sent_at=NOW, now=NOW, break_after=0)
    assert circuit == CLOSED


EVENTS = st.lists(
    st.tuples(st.sampled_from(["request", "respond", "fail"]), st.floats(0, 3), st.floats(0, 10)), max_size=200
)


@given(EVENTS, st.integers(1, 6))
def test_after_any_events_the_open_time_and_the_probes_are_bounded(
    events: list[tuple[str, float, float]], break_after: int
) -> None:
    circuit, now = Circuit(), NOW
    passed_in_round = 0
    for event, pause, age in events:
        now += pause
        before = circuit
        if event == "request":
            circuit, passes = after_request(circuit, now)
            passed_in_round = 1 if circuit.until != before.until else passed_in_round + passes
            assert passes or now < circuit.until
            assert circuit.state != "half-open" or passed_in_round <= MAX_PROBES
        elif event == "respond":
            circuit = after_response()
        else:
            circuit = after_failure(circuit, sent_at=now - age, now=now, break_after=break_after, jitter=1.5)
        assert circuit.state == "closed" or circuit.until - now <= MAX_OPEN_TIME * 1.5
        assert (circuit.state == "closed") == (circuit.until == 0)
        assert circuit.failures < break_after
        assert circuit.state != "closed" or before.state == "closed" or circuit.has_no_failures
