"""Decide which users of a batch are new, which an earlier run has imported, and which conflict with other users."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from auth_service.accounts.email_addresses import legacy_key
from auth_service.importing.imported_user import ImportedUser


@dataclass(frozen=True, slots=True)
class Conflict:
    """A user that cannot be stored: the field whose value another user has, and the reason."""

    user: ImportedUser
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The users of a batch: new ones, those that were imported before, and those that conflict."""

    new: Sequence[ImportedUser] = ()
    unchanged: Sequence[ImportedUser] = ()
    conflicts: Sequence[Conflict] = ()


@dataclass(slots=True)
class Stored:
    """What the store has of the users of a batch: their keys of this source, the mailboxes and the ids in use."""

    keys: Collection[str]
    mailboxes: Collection[str]
    user_ids: Collection[UUID]


@dataclass(slots=True)
class _Seen:
    """The rows of the batch so far, by what must be unique."""

    keys: dict[str, int] = field(default_factory=dict)
    mailboxes: dict[str, int] = field(default_factory=dict)


def mailboxes_of(user: ImportedUser) -> tuple[str, str]:
    """Return the keys under which another user may have the mailbox of `user`."""
    return user.email_key, legacy_key(user.email)


def decide_batch(users: Sequence[ImportedUser], stored: Stored) -> BatchResult:
    """Return the decision on each user. Of several rows with one mailbox or id, the first is imported."""
    new: list[ImportedUser] = []
    unchanged: list[ImportedUser] = []
    conflicts: list[Conflict] = []
    seen = _Seen()
    for user in users:
        if (first := seen.keys.setdefault(user.key, user.row)) != user.row:
            conflicts.append(Conflict(user, "id", f"row {first} has the same id"))
        elif user.key in stored.keys:
            unchanged.append(user)
        elif conflict := _conflict(user, stored, seen):
            conflicts.append(conflict)
        else:
            seen.mailboxes[user.email_key] = user.row
            new.append(user)
    return BatchResult(new, unchanged, conflicts)


def _conflict(user: ImportedUser, stored: Stored, seen: _Seen) -> Conflict | None:
    if (first := seen.mailboxes.get(user.email_key)) is not None:
        return Conflict(user, "email", f"row {first} has the same mailbox")
    if any(mailbox in stored.mailboxes for mailbox in mailboxes_of(user)):
        return Conflict(user, "email", "an account with the same mailbox exists already")
    if user.user_id in stored.user_ids:
        return Conflict(user, "id", "an account with the same id exists already")
    return None
