"""The retention job: it deletes old audit records, surplus failed log-ins, and sessions long expired.

It deletes in small batches, each in a transaction of its own, so that no request waits long. Several workers may run
it at once.
"""

from collections.abc import Callable

from auth_service.audit.store import AuditStore
from auth_service.sessions.store import SessionStore
from chassis.clock import Clock

INTERVAL = 60.0
"""Seconds between two runs."""
BATCH = 500
"""Rows."""
MAX_BATCHES = 20
"""Batches of one kind in one run; the rest waits for the next run."""
DAY = 86_400.0
"""Seconds."""


class Retention:
    """Deletes what is past its time; audit records are kept for `audit_retention` seconds."""

    def __init__(self, audit: AuditStore, sessions: SessionStore, *, audit_retention: float, clock: Clock) -> None:
        self._audit = audit
        self._sessions = sessions
        self._audit_retention = audit_retention
        self._clock = clock

    def delete_expired(self) -> int:
        """Return how many rows were deleted. A session is deleted a day after its last token has expired."""
        now = self._clock()
        deleted = _in_batches(lambda: self._audit.prune(now - self._audit_retention, BATCH))
        deleted += _in_batches(lambda: self._audit.prune_failed_logins(now, BATCH))
        return deleted + _in_batches(lambda: self._sessions.prune(now - DAY, BATCH))


def _in_batches(prune: Callable[[], int]) -> int:
    deleted = 0
    for _ in range(MAX_BATCHES):
        batch = prune()
        deleted += batch
        if batch < BATCH:
            break
    return deleted
