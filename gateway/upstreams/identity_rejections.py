"""Reads and logs that a service, or the auth service, does not believe who this gateway says it is or speaks for."""

import structlog

from chassis.clock import Clock

PAUSE = 10
"""Seconds between two log lines about one service: every request meets the same fault."""

LONGEST = 100
"""Characters of a reason in the log."""

_log = structlog.get_logger("identity_rejections")


class IdentityRejections:
    """Logs `event` as a warning, at most once every PAUSE seconds for one service."""

    def __init__(self, event: str, monotonic: Clock) -> None:
        self._event = event
        self._monotonic = monotonic
        self._quiet_until: dict[str, float] = {}
        self._unlogged: dict[str, int] = {}

    def record(self, service: str, reason: str) -> None:
        """Record a rejection by `service`; the log line says how many there were since the last one."""
        now = self._monotonic()
        count = self._unlogged.get(service, 0) + 1
        if now < self._quiet_until.get(service, 0):
            self._unlogged[service] = count
            return
        self._unlogged[service] = 0
        self._quiet_until[service] = now + PAUSE
        _log.warning(self._event, upstream=service, reason=reason[:LONGEST], count=count)
