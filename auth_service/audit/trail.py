"""The audit trail: a record of what happened to an account, when and from where, for the account's owner.

Policy: what changes a session or an account is recorded in the same transaction, so that neither exists without the
other; a failed log-in is recorded before it is answered. A database that cannot record answers 503. The log line
follows the commit. Refreshes and throttled log-ins are log lines only: their rows would grow with use.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from auth_service.events.account_events import (
    EndReason,
    Event,
    LoggedIn,
    LoginFailed,
    LoginThrottled,
    PasswordChanged,
    SessionEnded,
    TokensRefreshed,
    UserDeactivated,
    UserDeleted,
)
from auth_service.events.client import Client

Detail = Mapping[str, str | int]


class RecordName(StrEnum):
    """The names of records, as clients and log searches know them."""

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


_LOG_ONLY = {RecordName.LOGIN_THROTTLED, RecordName.REFRESH}


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One record. `at` is in seconds since the epoch; `detail` holds no secret and no unknown account's name."""

    name: RecordName
    at: float
    user_id: UUID | None
    client: Client
    session: str | None = None
    detail: Detail = field(default_factory=dict)


def record_of(event: Event) -> AuditRecord | None:
    """Return the record of an event; None for an event that the trail does not show."""
    match event:
        case LoggedIn(sid=sid):
            return _record(event, RecordName.LOGIN_OK, sid)
        case LoginFailed(reason=reason, account_hash=account_hash):
            detail: Detail = {"reason": reason} if reason else {"account": account_hash}
            return _record(event, RecordName.LOGIN_FAILED, detail=detail)
        case LoginThrottled(account_hash=account_hash):
            return _record(event, RecordName.LOGIN_THROTTLED, detail={"account": account_hash})
        case TokensRefreshed(sid=sid, decision=decision, generation=generation):
            detail = {"decision": decision, "generation": generation}
            return _record(event, RecordName.REFRESH, sid, detail)
        case SessionEnded():
            return _record_of_end(event)
        case PasswordChanged(sid=sid):
            return _record(event, RecordName.PASSWORD_CHANGED, sid)
        case UserDeactivated():
            return _record(event, RecordName.DEACTIVATED)
        case UserDeleted():
            return _record(event, RecordName.DELETED)
    return None


def stored_records(events: Iterable[Event]) -> list[AuditRecord]:
    """Return the records of the events that leave a row in the trail."""
    records = (record_of(event) for event in events)
    return [record for record in records if record and record.name not in _LOG_ONLY]


def _record_of_end(event: SessionEnded) -> AuditRecord:
    match event.reason:
        case EndReason.LOGOUT:
            return _record(event, RecordName.LOGOUT, event.sid)
        case EndReason.REPLAY:
            return _record(event, RecordName.REPLAY_DETECTED, event.sid)
    return _record(event, RecordName.SESSION_REVOKED, event.sid, {"reason": event.reason.value})


def _record(event: Event, name: RecordName, session: str | None = None, detail: Detail | None = None) -> AuditRecord:
    return AuditRecord(name, event.at, event.user_id, event.client, session, detail or {})
