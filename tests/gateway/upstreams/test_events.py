"""The log events and metrics of an upstream."""

from structlog.testing import capture_logs

from gateway.upstreams.events import FAILURE_LOG_INTERVAL, LogThrottle
from tests.clocks import MovableClock
from tests.gateway.upstreams.balancers import BalancerHarness, unreachable_addresses


def test_every_state_change_is_logged_once() -> None:
    """Of the failures in between, only the first of each address is logged."""
    harness = BalancerHarness(*unreachable_addresses(2), eject_after=3, break_after=2)
    with capture_logs() as logged:
        harness.time_out(harness.pools[0], 3)
        harness.time_out(harness.pools[1], 2)
        harness.move(1)
        harness.balancer.choose()
        harness.respond(harness.pools[1])
    events = [f"{line['event']}: {line.get('address', 'all')} {line.get('reason', '')}".strip() for line in logged]
    assert events == [
        "upstream_failing: h0 timeout",
        "upstream_ejected: h0 timeout",
        "upstream_failing: h1 timeout",
        "upstream_circuit_opened: all timeout",
        "upstream_readmitted: h0",
        "upstream_circuit_half_open: all",
        "upstream_circuit_closed: all",
    ]


def test_failures_are_logged_once_in_ten_seconds_with_their_number() -> None:
    """Responses in between do not reset the interval."""
    harness = BalancerHarness(*unreachable_addresses(1), break_after=0)
    with capture_logs() as logged:
        for _ in range(1000):
            harness.time_out(harness.pools[0])
            harness.respond(harness.pools[0])
        harness.move(FAILURE_LOG_INTERVAL)
        harness.time_out(harness.pools[0])
    assert [(line["event"], line["failures"]) for line in logged] == [
        ("upstream_failing", 1),
        ("upstream_failing", 1000),
    ]
    assert harness.metric("failures_total", address="h0", reason="timeout") == 1001


def test_metrics_show_failures_excluded_addresses_and_the_circuit() -> None:
    harness = BalancerHarness(*unreachable_addresses(3), break_after=3)
    assert harness.metric("circuit") == 0
    assert harness.metric("address_out", address="h0") == 0
    harness.time_out(harness.pools[0], 3)
    assert harness.metric("failures_total", address="h0", reason="timeout") == 3
    assert harness.metric("address_out", address="h0") == 1
    for pool in harness.pools[1:] * 2:
        harness.time_out(pool)
    assert harness.metric("circuit") == 2
    harness.move(1)
    assert harness.metric("address_out", address="h0") == 0
    harness.balancer.choose()
    assert harness.metric("circuit") == 1
    harness.respond(harness.pools[1])
    assert harness.metric("circuit") == 0


def test_an_event_contains_the_number_of_occurrences_since_the_last_one() -> None:
    """Keys are independent of each other."""
    clock = MovableClock()
    throttle = LogThrottle(clock, 10)
    assert [throttle.count("a") for _ in range(3)] == [1, 0, 0]
    assert throttle.count("b") == 1
    clock.move(9)
    assert throttle.count("a") == 0
    clock.move(1)
    assert throttle.count("a") == 4
    assert throttle.count("a") == 0


def test_the_next_occurrence_of_a_forgotten_key_is_logged_at_once() -> None:
    throttle = LogThrottle(MovableClock(), 10)
    assert [throttle.count("a"), throttle.count("a")] == [1, 0]
    throttle.forget("a")
    assert throttle.count("a") == 1
