"""A throttle lets one log event per key pass in each interval."""

from gateway.upstreams.log_throttle import LogThrottle
from tests.clocks import MovableClock


def test_an_event_says_how_often_it_occurred_since_the_last_one() -> None:
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


def test_a_forgotten_key_starts_anew() -> None:
    throttle = LogThrottle(MovableClock(), 10)
    assert [throttle.count("a"), throttle.count("a")] == [1, 0]
    throttle.forget("a")
    assert throttle.count("a") == 1
