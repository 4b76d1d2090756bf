"""Owns what is thrown away in time: audit records past their retention or beyond number, and sessions long dead.

Small batches, each a transaction of its own, so that no request waits behind one. Several workers may keep house at
once.
"""

from collections.abc import Callable

from auth_service.audit.failed_logins import FailedLogins
from auth_service.audit.trail import AuditTrail
from auth_service.sessions.store import SessionStore
from chassis.clock import Clock

INTERVAL = 60.0
"""Seconds."""
BATCH = 500
MOST_BATCHES = 20
"""At one go: what is left waits for the next."""
DAY = 86_400.0


class Retention:
    """Throws away; `keep` is in seconds and goes for audit records."""

    def __init__(
        self, trail: AuditTrail, failures: FailedLogins, sessions: SessionStore, *, keep: float, clock: Clock
    ) -> None:
        self._trail = trail
        self._failures = failures
        self._sessions = sessions
        self._keep = keep
        self._clock = clock

    def tidy(self) -> int:
        """How many rows were thrown away. A session goes a day after its last token has expired."""
        now = self._clock()
        old_records = _in_batches(lambda: self._trail.prune(now - self._keep, BATCH))
        old_records += _in_batches(lambda: self._failures.prune(now, BATCH))
        return old_records + _in_batches(lambda: self._sessions.prune(now - DAY, BATCH))


def _in_batches(prune: Callable[[], int]) -> int:
    gone = 0
    for _ in range(MOST_BATCHES):
        batch = prune()
        gone += batch
        if batch < BATCH:
            break
    return gone
