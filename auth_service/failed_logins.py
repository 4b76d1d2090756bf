"""Owns how failed log-ins are recorded: each is a line in the log, and not more than so many are rows in the trail.

Anybody can fail as often as they like, from as many places as they have: rows for all of that would fill the disk.
"""

from auth_service.audit import AuditRecord, AuditTrail
from auth_service.tries import Counter, Tries
from chassis.rates import Rate

ROWS_OF_ACCOUNT = Rate(20, 3_600)
ROWS_OF_NOBODY = Rate(100, 3_600)
"""For all the names together that nobody has."""


class FailedLogins:
    """The failed log-ins in the trail."""

    def __init__(self, trail: AuditTrail, tries: Tries) -> None:
        self._trail = trail
        self._tries = tries

    def record(self, failure: AuditRecord) -> None:
        """Logs `failure`, and commits it to the trail as well where there were not too many lately."""
        if failure.user_id is None:
            rows = Counter(ROWS_OF_NOBODY, ("row",))
        else:
            rows = Counter(ROWS_OF_ACCOUNT, ("row", str(failure.user_id)))
        if self._tries.admit(rows).counted:
            self._trail.commit(failure)
        else:
            self._trail.tell(failure)
