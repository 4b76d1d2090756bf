"""Log events for services that reject this gateway's identity assertion or its peer proof."""

import structlog

from chassis.clock import Clock

LOG_INTERVAL = 10
"""Seconds between two events about one service, because every request meets the same fault."""

MAX_REASON_LENGTH = 100
"""Characters of a reason in the log."""

_log = structlog.get_logger("identity_rejections")


class IdentityRejections:
    """Log `event` as a warning, at most once per LOG_INTERVAL for each service."""

    def __init__(self, event: str, monotonic: Clock) -> None:
        self._event = event
        self._monotonic = monotonic
        self._quiet_until: dict[str, float] = {}
        self._unlogged: dict[str, int] = {}

    def record(self, service: str, reason: str) -> None:
        """Record a rejection by `service`; the event says how many there were since the last one."""
        now = self._monotonic()
        count = self._unlogged.get(service, 0) + 1
        if now < self._quiet_until.get(service, 0):
            self._unlogged[service] = count
            return
        self._unlogged[service] = 0
        self._quiet_until[service] = now + LOG_INTERVAL
        _log.warning(self._event, upstream=service, reason=reason[:MAX_REASON_LENGTH], count=count)
