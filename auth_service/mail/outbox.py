"""The interface of the mail outbox, and the values that it takes and returns.

A row of the outbox names the kind of a mail and the address that gets it. It contains no token and no text: the
sending job finds the account, creates the token and renders the message when it sends. So a request that causes a
mail does the same work for known and unknown addresses, and a mail that an outage delayed has a new token.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from uuid import UUID

MAX_ACCEPT_LANGUAGE = 100
"""Characters of an Accept-Language header that are stored."""

Context = Mapping[str, str]


class MailKind(StrEnum):
    """The kinds of mails. The values name the templates and are stored in the outbox."""

    ACTIVATION = "activation"
    """A link that verifies the address of a new account. Sent while the account is unverified."""
    CONFIRMATION = "confirmation"
    """A notice that the account was activated."""
    PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of a mail
    """A link to choose a new password. Sent if the address has an unverified or active account."""
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of a mail
    """A notice that the password was changed or reset."""
    EMAIL_RESET = "email_reset"
    """A link to choose another e-mail address. Sent if the address has an active account."""
    EMAIL_CHANGED = "email_changed"
    """A notice to the former address. Its context has `new_email`, the new address."""
    INVITATION = "invitation"
    """A link to choose a password for an account that staff or an operator created. Sent while it is unverified."""


@dataclass(frozen=True, slots=True, repr=False)
class NewMail:
    """A mail to add to the outbox.

    `email` is the address that gets it, as it was entered or as it is stored. `accept_language` is the
    Accept-Language header of the request that caused the mail; the language of the account has precedence. `context`
    has the values that only this mail has. It contains no token, and no text that a stranger could choose.
    """

    kind: MailKind
    email: str
    accept_language: str = ""
    context: Context = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class QueuedMail:
    """A mail of the outbox that this process has claimed until `due_at`. Times are seconds since the epoch.

    `attempts` counts the attempts to send it that failed. `due_at` identifies the claim.
    """

    id: UUID
    kind: MailKind
    email: str
    accept_language: str
    context: Context
    created_at: float
    attempts: int
    due_at: float


class MailOutbox(Protocol):
    """Mails that wait to be sent. Every method raises StoreUnavailable while the database does not answer.

    A mail is due at `due_at`. A claim moves `due_at` into the future, so no other process claims the mail meanwhile.
    If the process dies, the mail is due again when the claim ends.
    """

    def add(self, mail: NewMail, now: float) -> None:
        """Add a mail that is due at once, in one statement, and commit. The address is not looked up."""

    def claim(self, now: float, until: float) -> QueuedMail | None:
        """Claim the mail that has been due longest; the claim ends at `until`. Return None if no mail is due."""

    def remove(self, mail: QueuedMail) -> None:
        """Remove a mail that was sent, or that need not be sent."""

    def postpone(self, mail: QueuedMail, due_at: float) -> None:
        """Count a failed attempt and make the mail due at `due_at`. Change nothing if it is claimed again."""

    def release(self, mail: QueuedMail, due_at: float) -> None:
        """Make a mail due at `due_at` that was not tried. Change nothing if it is claimed again."""

    def fail(self, mail: QueuedMail, now: float) -> None:
        """Give up a mail: it is kept for the operator and not sent. Change nothing if it is claimed again."""

    def waiting(self) -> int:
        """Return how many mails wait to be sent."""

    def oldest_at(self) -> float | None:
        """Return when the oldest waiting mail was added, in seconds since the epoch; None if no mail waits."""

    def prune_failed(self, before: float, limit: int) -> int:
        """Delete at most `limit` mails that failed before `before`, commit, and return how many."""
