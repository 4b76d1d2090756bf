"""Reads and logs that a service, or the auth service, does not believe who this gateway says it is or speaks for."""

from collections.abc import Iterable

import structlog

from chassis.clock import Clock
from contract.identity import REFUSED_HEADER

PAUSE = 10
"""Seconds between two log lines about one service: every request meets the same fault."""

LONGEST = 100
"""Characters of a reason in the log."""

_NAME = REFUSED_HEADER.lower().encode("ascii")
_log = structlog.get_logger("identity_rejections")


def read_rejection(raw_headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return why a service refused the assertion, as its 401 says; empty where the 401 is the service's own."""
    reasons = [value for name, value in raw_headers if name.lower() == _NAME]
    return (reasons[0].decode("latin-1")[:LONGEST] or "no reason given") if reasons else ""


class IdentityRejections:
    """Logs `event` as a warning, at most once every PAUSE seconds for one service."""

    def __init__(self, event: str, monotonic: Clock) -> None:
        self._event = event
        self._monotonic = monotonic
        self._quiet_until: dict[str, float] = {}
        self._unlogged: dict[str, int] = {}

    def note(self, service: str, reason: str) -> None:
        """Record a rejection by `service`; the log line says how many there were since the last one."""
        now = self._monotonic()
        count = self._unlogged.get(service, 0) + 1
        if now < self._quiet_until.get(service, 0):
            self._unlogged[service] = count
            return
        self._unlogged[service] = 0
        self._quiet_until[service] = now + PAUSE
        _log.warning(self._event, upstream=service, reason=reason[:LONGEST], count=count)
