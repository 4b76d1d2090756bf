"""The counters of one worker: fixed windows that begin with the first count, and limited memory."""

from auth_service.throttling.local_counters import PRUNE_INTERVAL, LocalCounters
from tests.clocks import MovableClock


def test_a_window_begins_with_the_first_count_and_ends_after_its_seconds() -> None:
    clock = MovableClock()
    counters = LocalCounters(clock=clock)
    counters.add("a", 1, 60)
    clock.move(59)
    counters.add("a", 1, 60)
    assert (counters.count("a"), counters.seconds_left("a")) == (2, 1)
    clock.move(1)
    assert counters.count("a") == 0
    counters.add("a", 1, 60)
    assert (counters.count("a"), counters.seconds_left("a")) == (1, 60)


def test_a_counter_can_be_decremented_and_reset() -> None:
    counters = LocalCounters(clock=MovableClock())
    counters.add("a", 3, 60)
    counters.add("a", -1, 60)
    assert counters.count("a") == 2
    counters.reset("a")
    counters.reset("never counted")
    assert counters.count("a") == 0


def test_windows_that_have_ended_are_removed_from_memory() -> None:
    clock = MovableClock()
    counters = LocalCounters(clock=clock)
    for number in range(1_000):
        counters.add(str(number), 1, 30)
    clock.move(PRUNE_INTERVAL)
    counters.add("new", 1, 30)
    assert len(counters._windows) == 1
