"""Measure event-loop lag and report it as a metric and a log event."""

import structlog
from prometheus_client import CollectorRegistry, Counter

from chassis.clock import Clock

MIN_COUNTED_SECONDS = 0.05
"""Lag up to this is normal and not counted."""

MIN_LOGGED_SECONDS = 0.5
"""Lag from this on is logged."""

LOG_INTERVAL_SECONDS = 10.0
"""Minimum time between two log events."""

_log = structlog.get_logger("event_loop_lag")


class EventLoopLag:
    """The event-loop lag of one worker. `monotonic` returns seconds."""

    def __init__(self, registry: CollectorRegistry, monotonic: Clock) -> None:
        self._monotonic = monotonic
        self._logged_at = float("-inf")
        self._total = Counter(
            "sallyport_gateway_late_seconds",
            "Event-loop lag: seconds by which timers ran late, in total. It grows if a worker lacks CPU time.",
            registry=registry,
        )

    def record(self, seconds: float) -> None:
        """Record that a timer ran `seconds` late."""
        if seconds <= MIN_COUNTED_SECONDS:
            return
        self._total.inc(seconds)
        now = self._monotonic()
        if seconds >= MIN_LOGGED_SECONDS and now >= self._logged_at + LOG_INTERVAL_SECONDS:
            self._logged_at = now
            _log.warning("event_loop_lag", seconds=round(seconds, 2))
