"""The audit trail: a record of what happened to an account, when and from where, for the account's owner.

A recorded change of a session or an account and its record are one transaction, so neither exists without the other.
A failed log-in is recorded before its response. If the record cannot be stored, the response is 503. The log line
follows the commit. Refreshes and throttled log-ins are logged but not stored, because their number is not limited.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from auth_service.events.account_events import (
    BreachedPasswordUsed,
    EmailChanged,
    EndReason,
    Event,
    LoggedIn,
    LoginFailed,
    LoginThrottled,
    PasswordChanged,
    PasswordReset,
    Reauthenticated,
    RegistrationRefused,
    RolesChanged,
    SessionEnded,
    SessionMovedIn,
    TokensRefreshed,
    UserActivated,
    UserDeactivated,
    UserDeleted,
    UserInvited,
    UserRegistered,
    UserUpdated,
)
from auth_service.events.client import Client

Detail = Mapping[str, str | int]


class RecordName(StrEnum):
    """The names of records in the audit API and in the log."""

    LOGIN_OK = "login_ok"
    REAUTHENTICATED = "reauthenticated"
    SESSION_MOVED_IN = "session_moved_in"
    BREACHED_PASSWORD = "breached_password"  # noqa: S105 - the name of an event
    LOGIN_FAILED = "login_failed"
    LOGIN_THROTTLED = "login_throttled"
    REFRESH = "refresh"
    REPLAY_DETECTED = "replay_detected"
    LOGOUT = "logout"
    SESSION_REVOKED = "session_revoked"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of an event
    PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of an event
    EMAIL_CHANGED = "email_changed"
    REGISTERED = "registered"
    REGISTRATION_REFUSED = "registration_refused"
    INVITED = "invited"
    ACTIVATED = "activated"
    PROFILE_CHANGED = "profile_changed"
    ROLES_CHANGED = "roles_changed"
    DEACTIVATED = "deactivated"
    DELETED = "deleted"


_LOG_ONLY = {RecordName.LOGIN_THROTTLED, RecordName.REFRESH}
"""The records that are logged and not stored."""


_NAMES: Mapping[type[Event], RecordName] = {
    PasswordReset: RecordName.PASSWORD_RESET,
    UserUpdated: RecordName.PROFILE_CHANGED,
    RegistrationRefused: RecordName.REGISTRATION_REFUSED,
    UserDeactivated: RecordName.DEACTIVATED,
    UserDeleted: RecordName.DELETED,
}
"""The names of the records that have neither a session nor a detail."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An audit record. `at` is in seconds since the epoch, and `session` is the `sid` of a session.

    `detail` contains no secret, and no name that was entered for an unknown account.
    """

    name: RecordName
    at: float
    user_id: UUID | None
    client: Client
    session: str | None = None
    detail: Detail = field(default_factory=dict)


def record_of(event: Event) -> AuditRecord | None:
    """Return the record of an event; None if it has none."""
    match event:
        case LoggedIn(sid=sid):
            return _record(event, RecordName.LOGIN_OK, sid)
        case Reauthenticated(sid=sid):
            return _record(event, RecordName.REAUTHENTICATED, sid)
        case SessionMovedIn(sid=sid):
            return _record(event, RecordName.SESSION_MOVED_IN, sid)
        case BreachedPasswordUsed(sid=sid):
            return _record(event, RecordName.BREACHED_PASSWORD, sid)
        case LoginFailed(reason=reason, account_hash=account_hash, sid=session):
            detail: Detail = {"reason": reason} if reason else {"account": account_hash}
            return _record(event, RecordName.LOGIN_FAILED, session, detail)
        case LoginThrottled(account_hash=account_hash):
            return _record(event, RecordName.LOGIN_THROTTLED, detail={"account": account_hash})
        case TokensRefreshed(sid=sid, decision=decision, generation=generation):
            detail = {"decision": decision, "generation": generation}
            return _record(event, RecordName.REFRESH, sid, detail)
        case SessionEnded():
            return _record_of_end(event)
    return _record_of_account_change(event)


def _record_of_account_change(event: Event) -> AuditRecord | None:
    match event:
        case PasswordChanged(sid=sid):
            return _record(event, RecordName.PASSWORD_CHANGED, sid)
        case EmailChanged(sid=sid):
            return _record(event, RecordName.EMAIL_CHANGED, sid)
        case UserActivated(reason=reason):
            return _record(event, RecordName.ACTIVATED, detail={"reason": reason.value})
        case UserRegistered(roles=roles):
            return _record(event, RecordName.REGISTERED, detail={"roles": roles} if roles else None)
        case UserInvited(roles=roles):
            return _record(event, RecordName.INVITED, detail={"roles": roles})
        case RolesChanged(roles=roles, former_roles=former_roles):
            return _record(event, RecordName.ROLES_CHANGED, detail={"roles": roles, "former_roles": former_roles})
    name = _NAMES.get(type(event))
    return _record(event, name) if name else None


def stored_records(events: Iterable[Event]) -> list[AuditRecord]:
    """Return the records to store for the events, without those that are only logged."""
    records = (record_of(event) for event in events)
    return [record for record in records if record and record.name not in _LOG_ONLY]


def _record_of_end(event: SessionEnded) -> AuditRecord:
    """Return the record of an ended session. A log-out and a replay have their own names, other reasons a detail."""
    match event.reason:
        case EndReason.LOGOUT:
            return _record(event, RecordName.LOGOUT, event.sid)
        case EndReason.REPLAY:
            return _record(event, RecordName.REPLAY_DETECTED, event.sid)
    return _record(event, RecordName.SESSION_REVOKED, event.sid, {"reason": event.reason.value})


def _record(event: Event, name: RecordName, session: str | None = None, detail: Detail | None = None) -> AuditRecord:
    """Return a record of an event. Its detail has the `actor` if it is not the owner of the account who acted."""
    actor = {"actor": event.client.actor} if event.client.actor else {}
    return AuditRecord(name, event.at, event.user_id, event.client, session, {**(detail or {}), **actor})
