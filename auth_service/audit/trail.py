"""Owns the audit trail: who did what, when and from where, as rows for the account's owner and as lines for the log.

Policy: what changes a session or an account is recorded in the same transaction, so that neither stands without the
other; a failed login is not answered before it is recorded. A database that cannot record is answered with a 503.
Refreshes are lines only: rows would grow with use. Too many failed logins are deleted afterwards (failed_logins.py).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

import structlog
from sqlalchemy import JSON, Connection, Uuid, bindparam, delete, func, select, text

from auth_service.audit.client import Client
from auth_service.storage.models import MAX_DEVICE, AuditRow, Database

_log = structlog.get_logger("audit")

Detail = Mapping[str, str | int]
Row = dict[str, object]


class Event(StrEnum):
    """What happened."""

    LOGIN_OK = "login_ok"
    LOGIN_FAILED = "login_failed"
    LOGIN_THROTTLED = "login_throttled"
    REFRESH = "refresh"
    REPLAY_DETECTED = "replay_detected"
    LOGOUT = "logout"
    SESSION_REVOKED = "session_revoked"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - an event, no password
    DEACTIVATED = "deactivated"
    DELETED = "deleted"


class Reason(StrEnum):
    """Why a session ended."""

    LOGOUT = "logout"
    REPLAY = "replay"
    REVOKED_BY_OWNER = "revoked by its owner"
    TOO_MANY = "too many sessions"
    REPLACED = "replaced by a log-in"
    PASSWORD_CHANGED = "password changed"  # noqa: S105 - a reason, no password
    ROLES_CHANGED = "roles changed"
    USER_DEACTIVATED = "user deactivated"
    USER_DELETED = "user deleted"


_EVENTS_OF_THEIR_OWN = {Reason.LOGOUT: Event.LOGOUT, Reason.REPLAY: Event.REPLAY_DETECTED}


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One event. `at` is in seconds since the epoch; `detail` never holds a secret, nor a name that nobody has."""

    event: Event
    at: float
    user_id: UUID | None
    session: str | None = None
    detail: Detail = field(default_factory=dict)


def end_of_session(sid: str, user_id: UUID, at: float, reason: Reason) -> AuditRecord:
    """The record of a session's end."""
    event = _EVENTS_OF_THEIR_OWN.get(reason)
    if event:
        return AuditRecord(event, at, user_id, sid)
    return AuditRecord(Event.SESSION_REVOKED, at, user_id, sid, {"reason": reason.value})


class AuditTrail:
    """The trail in SQL and in the log."""

    def __init__(self, database: Database, client: Callable[[], Client]) -> None:
        self._database = database
        self.client = client
        """Tells from where the request under way comes; for the thread that serves it."""

    def commit(self, *records: AuditRecord) -> None:
        """Commits the transaction under way with these records in it, and logs them once that is done."""
        self.write(self.rows(*records), self._database)
        self._database.commit()
        self.tell(*records)

    def rows(self, *records: AuditRecord) -> list[Row]:
        """These records with what the request under way says of its client."""
        return rows_of(records, self.client())

    def write(self, rows: list[Row], transaction: Connection | Database) -> None:
        """Adds rows to a transaction, whichever thread runs it."""
        if rows:
            transaction.execute(_ADD, rows)

    def tell(self, *records: AuditRecord) -> None:
        """Logs these records."""
        for record in records:
            self._log_line(record)

    def count(self, user_id: UUID) -> int:
        """How many records the account has."""
        return self._database.scalar(select(func.count()).where(AuditRow.user_id == user_id)) or 0

    def page(self, user_id: UUID, *, offset: int, limit: int) -> Sequence[AuditRow]:
        """The account's records, the newest first."""
        own = select(AuditRow).where(AuditRow.user_id == user_id).order_by(AuditRow.id.desc())
        return self._database.scalars(own.offset(offset).limit(limit)).all()

    def prune(self, before: float, limit: int) -> int:
        """Forgets at most `limit` records from before this moment; how many. Commits."""
        old = select(AuditRow.id).where(AuditRow.at < before).limit(limit)
        gone = self._database.scalars(
            delete(AuditRow).where(AuditRow.id.in_(old)).returning(AuditRow.id),
            execution_options={"synchronize_session": False},
        ).all()
        self._database.commit()
        return len(gone)

    def _log_line(self, record: AuditRecord) -> None:
        client = self.client()
        _log.info(
            record.event.value,
            subject=str(record.user_id) if record.user_id else None,
            sid=record.session,
            address=client.address,
            device=client.device[:MAX_DEVICE],
            **record.detail,
        )


def rows_of(records: Iterable[AuditRecord], client: Client) -> list[Row]:
    """What stands in the table of these records, which a request of `client` made."""
    return [
        {
            "at": record.at,
            "event": record.event.value,
            "user_id": record.user_id,
            "session": record.session,
            "address": client.address,
            "device": client.device[:MAX_DEVICE],
            "detail": dict(record.detail),
        }
        for record in records
    ]


# In SQL's own words: through an object it takes several times as long, and every log-in adds a row.
_ADD = text("""
    INSERT INTO audit_events (at, event, user_id, session, address, device, detail)
    VALUES (:at, :event, :user_id, :session, :address, :device, :detail)
""").bindparams(bindparam("user_id", type_=Uuid()), bindparam("detail", type_=JSON()))
