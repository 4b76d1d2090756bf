"""Event-loop lag is counted, and logged at most every ten seconds."""

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from gateway.observability.event_loop_lag import LOG_INTERVAL_SECONDS, EventLoopLag
from tests.clocks import MovableClock


def test_lag_is_counted_and_logged_at_most_every_ten_seconds(clock: MovableClock) -> None:
    registry = CollectorRegistry()
    lag = EventLoopLag(registry, clock)
    with capture_logs() as lines:
        for seconds in (0.01, 0.3, 0.7, 0.9):
            lag.record(seconds)
        clock.move(LOG_INTERVAL_SECONDS)
        lag.record(2.0)
    assert [(line["event"], line["seconds"]) for line in lines] == [
        ("event_loop_lag", 0.7),
        ("event_loop_lag", 2.0),
    ]
    # Without the first one, which is below the least lag that counts.
    assert registry.get_sample_value("sallyport_gateway_late_seconds_total") == pytest.approx(0.3 + 0.7 + 0.9 + 2.0)
