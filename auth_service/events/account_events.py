"""The events of an account: log-ins, refreshes, ended sessions and changes of the user.

An event is a frozen value. It contains no password and no token. E-mail addresses in it are for mails to the user;
they are neither logged nor stored in the audit trail.
"""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from auth_service.events.client import Client


class EndReason(StrEnum):
    """Why a session ended. The audit API shows these texts, except those of a log-out and a replay."""

    LOGOUT = "logout"
    REPLAY = "replay"
    REVOKED_BY_OWNER = "revoked by its owner"
    TOO_MANY = "too many sessions"
    REPLACED = "replaced by a log-in"
    PASSWORD_CHANGED = "password changed"  # noqa: S105 - the text of a reason
    PASSWORD_RESET = "password reset"  # noqa: S105 - the text of a reason
    EMAIL_CHANGED = "e-mail address changed"
    ROLES_CHANGED = "roles changed"
    USER_DEACTIVATED = "user deactivated"
    USER_DELETED = "user deleted"
    ENDED_BY_OPERATOR = "ended by an operator"


class ActivationReason(StrEnum):
    """Why a user may log in from now on. The audit API shows these texts."""

    EMAIL_VERIFIED = "e-mail address verified"
    BY_OPERATOR = "activated by an operator"
    INVITATION_ACCEPTED = "invitation accepted"


@dataclass(frozen=True, slots=True)
class Event:
    """The base of all events. `at` is in seconds since the epoch; `user_id` is None if the account is unknown."""

    at: float
    user_id: UUID | None
    client: Client


@dataclass(frozen=True, slots=True)
class LoggedIn(Event):
    """A user logged in and the session `sid` began."""

    sid: str


@dataclass(frozen=True, slots=True)
class Reauthenticated(Event):
    """A user entered the password again in the session `sid`."""

    sid: str


@dataclass(frozen=True, slots=True)
class SessionMovedIn(Event):
    """A refresh token of the user's former system was exchanged, and the session `sid` began."""

    sid: str


@dataclass(frozen=True, slots=True)
class BreachedPasswordUsed(Event):
    """A user logged in, in the session `sid`, with a password that is in the list of breached passwords."""

    sid: str


@dataclass(frozen=True, slots=True)
class LoginFailed(Event):
    """A log-in failed. `reason` is set for a known account, `account_hash` (a keyed hash) for an unknown one.

    In the session `sid`, a wrong password was entered again; None before a log-in.
    """

    reason: str = ""
    account_hash: str = ""
    sid: str | None = None


@dataclass(frozen=True, slots=True)
class LoginThrottled(Event):
    """A log-in was refused before its password was verified, after too many failures. `user_id` is always None."""

    account_hash: str


@dataclass(frozen=True, slots=True)
class TokensRefreshed(Event):
    """Tokens were issued for a refresh token.

    `decision` is the name of the refresh policy's decision, and `generation` the session's newest generation. Refresh
    tokens below `lowest_valid_generation` are no longer valid; it is None if there was no rotation. The newest
    refresh token expires at `expires_at`, in seconds since the epoch.
    """

    sid: str
    decision: str
    generation: int
    lowest_valid_generation: int | None
    expires_at: float


@dataclass(frozen=True, slots=True)
class SessionEnded(Event):
    """A session was ended. Its absolute end would have been at `expires_at`, in seconds since the epoch.

    All its access tokens expire by `access_expires_at`, in seconds since the epoch.
    """

    sid: str
    reason: EndReason
    expires_at: float
    access_expires_at: float


@dataclass(frozen=True, slots=True)
class PasswordChanged(Event):
    """A user changed the password. The session `sid` continues, all others ended; None if every session ended."""

    sid: str | None
    email: str


@dataclass(frozen=True, slots=True)
class PasswordReset(Event):
    """A user chose a new password by the link in a mail to `email`. Every session ended."""

    email: str


@dataclass(frozen=True, slots=True)
class EmailChanged(Event):
    """A user changed the e-mail address. The session `sid` continues, all others ended; None if all ended."""

    sid: str | None
    old_email: str
    email: str


@dataclass(frozen=True, slots=True)
class UserRegistered(Event):
    """A user was registered. `must_verify` means that the user cannot log in until `email` is verified.

    `roles` are separated by spaces.
    """

    email: str
    must_verify: bool
    first_name: str = ""
    last_name: str = ""
    roles: str = ""


@dataclass(frozen=True, slots=True)
class RegistrationRefused(Event):
    """A registration was refused because `email` is taken. `user_id` is None."""

    email: str
    must_verify: bool


@dataclass(frozen=True, slots=True)
class UserActivated(Event):
    """The user, who was unverified or deactivated, may log in from now on."""

    reason: ActivationReason
    email: str


@dataclass(frozen=True, slots=True)
class UserInvited(Event):
    """Staff or an operator created the user, or invited an unverified user again (`is_repeated`).

    `roles` are separated by spaces.
    """

    email: str
    roles: str
    first_name: str = ""
    last_name: str = ""
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class UserUpdated(Event):
    """The user, whose address is `email`, changed the first or the last name."""

    email: str
    first_name: str
    last_name: str


@dataclass(frozen=True, slots=True)
class RolesChanged(Event):
    """Staff or an operator set the user's roles. `roles` and `former_roles` are separated by spaces."""

    roles: str
    former_roles: str


@dataclass(frozen=True, slots=True)
class UserDeactivated(Event):
    """Staff or an operator deactivated the user."""


@dataclass(frozen=True, slots=True)
class UserDeleted(Event):
    """The user was deleted."""
