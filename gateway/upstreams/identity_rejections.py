"""Log events for services that reject this gateway's identity assertion or its peer token."""

import structlog

from chassis.clock import Clock
from gateway.upstreams.events import LogThrottle

LOG_INTERVAL = 10
"""Seconds between two events about one service: every request fails for the same reason."""

MAX_REASON_LENGTH = 100
"""Characters of a reason in the log."""

_log = structlog.get_logger("identity_rejections")


class IdentityRejections:
    """Logs `event` as a warning, at most once per LOG_INTERVAL for each service."""

    def __init__(self, event: str, monotonic: Clock) -> None:
        self._event = event
        self._throttle = LogThrottle(monotonic, LOG_INTERVAL)

    def record(self, service: str, reason: str) -> None:
        """Record a rejection by `service`. The event's `count` is the number of rejections since the last event."""
        if count := self._throttle.count(service):
            _log.warning(self._event, upstream=service, reason=reason[:MAX_REASON_LENGTH], count=count)
