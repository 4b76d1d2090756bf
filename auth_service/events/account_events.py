"""The events of an account: log-ins, refreshes, ended sessions and changes of the user.

An event is a frozen value and holds no password, no token and no e-mail address.
"""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from auth_service.events.client import Client


class EndReason(StrEnum):
    """Why a session ended, in the words that the audit trail shows."""

    LOGOUT = "logout"
    REPLAY = "replay"
    REVOKED_BY_OWNER = "revoked by its owner"
    TOO_MANY = "too many sessions"
    REPLACED = "replaced by a log-in"
    PASSWORD_CHANGED = "password changed"  # noqa: S105 - a reason, no password
    ROLES_CHANGED = "roles changed"
    USER_DEACTIVATED = "user deactivated"
    USER_DELETED = "user deleted"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at `at`, in seconds since the epoch; `user_id` is None for an unknown account."""

    at: float
    user_id: UUID | None
    client: Client


@dataclass(frozen=True, slots=True)
class LoggedIn(Event):
    """A password was right and the session `sid` began."""

    sid: str


@dataclass(frozen=True, slots=True)
class LoginFailed(Event):
    """A log-in was refused. `reason` is set for a known account, `account_hash` for an unknown one."""

    reason: str = ""
    account_hash: str = ""


@dataclass(frozen=True, slots=True)
class LoginThrottled(Event):
    """A log-in was refused before its password was verified: there were too many failures."""

    account_hash: str


@dataclass(frozen=True, slots=True)
class TokensRefreshed(Event):
    """A refresh token was exchanged. Tokens of generations below `spent_below` are spent; None if none was rotated.

    `decision` names the refresh policy's decision. The newest refresh token expires at `expires_at`, in seconds since
    the epoch.
    """

    sid: str
    decision: str
    generation: int
    spent_below: int | None
    expires_at: float


@dataclass(frozen=True, slots=True)
class SessionEnded(Event):
    """A session ended before its time. Its refresh tokens would have expired at `expires_at`, in epoch seconds.

    No access token of the session is valid after `access_expires_at`.
    """

    sid: str
    reason: EndReason
    expires_at: float
    access_expires_at: float


@dataclass(frozen=True, slots=True)
class PasswordChanged(Event):
    """A user changed the password in the session `sid`, which did not end; None if every session ended."""

    sid: str | None


@dataclass(frozen=True, slots=True)
class RolesChanged(Event):
    """An operator set the user's roles, which are separated by spaces."""

    roles: str


@dataclass(frozen=True, slots=True)
class UserDeactivated(Event):
    """An operator deactivated the user."""


@dataclass(frozen=True, slots=True)
class UserDeleted(Event):
    """The user was deleted."""
