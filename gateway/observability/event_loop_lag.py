"""Tells the log and Prometheus when a worker comes late to what it has to do: what is slow then is not a service."""

import structlog
from prometheus_client import CollectorRegistry, Counter

from chassis.clock import Clock

PLAIN = 0.05
"""Seconds. What comes no later than this is on time."""
MUCH = 0.5
"""Seconds. From here on the log says so."""
PAUSE = 10.0
"""Seconds at least between two lines."""

_log = structlog.get_logger("worker")


class EventLoopLag:
    """By how much this worker's loop is late. `monotonic` gives seconds."""

    def __init__(self, registry: CollectorRegistry, monotonic: Clock) -> None:
        self._now = monotonic
        self._said_at = -PAUSE
        self._late = Counter(
            "sallyport_gateway_late_seconds",
            "Seconds by which workers came late to what they had to do at a certain time: they have too much to do.",
            registry=registry,
        )

    def note(self, seconds: float) -> None:
        """What was to be done at a certain time is done so many seconds after that."""
        if seconds <= PLAIN:
            return
        self._late.inc(seconds)
        now = self._now()
        if seconds >= MUCH and now >= self._said_at + PAUSE:
            self._said_at = now
            _log.warning("event_loop_lag", seconds=round(seconds, 2))
