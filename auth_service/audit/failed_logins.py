"""Records failed log-ins in the audit trail, and keeps their number bounded.

Anybody can fail as often as they like, from as many addresses as they have. A failure is always one row and one
commit, whether the account exists or not: a budget that is asked at the time of the failure would answer sooner for
one of the two, and so tell which accounts exist. What is too much is deleted afterwards, beside the requests.
"""

from sqlalchemy import case, delete, func, select

from auth_service.audit.trail import AuditRecord, AuditTrail, Event
from auth_service.storage.models import AuditRow, Database

WINDOW = 3_600.0
"""Seconds."""
ROWS_OF_ACCOUNT = 20
ROWS_OF_NOBODY = 100
"""Rows of a window that are kept, for all the names together that nobody has."""


class FailedLogins:
    """The failed log-ins in the trail."""

    def __init__(self, trail: AuditTrail, database: Database) -> None:
        self._trail = trail
        self._database = database

    def record(self, failure: AuditRecord) -> None:
        """Commits `failure` to the trail and logs it."""
        self._trail.commit(failure)

    def prune(self, now: float, limit: int) -> int:
        """Deletes at most `limit` rows beyond the first of an account in the last WINDOW; how many. Commits."""
        place = func.row_number().over(partition_by=AuditRow.user_id, order_by=AuditRow.id)
        kept = case((AuditRow.user_id.is_(None), ROWS_OF_NOBODY), else_=ROWS_OF_ACCOUNT)
        recent = (
            select(AuditRow.id, place.label("place"), kept.label("kept"))
            .where(AuditRow.at > now - WINDOW, AuditRow.event == Event.LOGIN_FAILED.value)
            .subquery()
        )
        beyond = select(recent.c.id).where(recent.c.place > recent.c.kept).limit(limit)
        gone = self._database.scalars(
            delete(AuditRow).where(AuditRow.id.in_(beyond)).returning(AuditRow.id),
            execution_options={"synchronize_session": False},
        ).all()
        self._database.commit()
        return len(gone)
