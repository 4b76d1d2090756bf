"""The interface of the audit store, and the entry that a list of records contains."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from auth_service.audit.trail import Detail
from auth_service.events.account_events import Event


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A stored record.

    `event` is a RecordName, `session` the `sid` of a session, and `at` is in seconds since the epoch. `user_id` is
    the account; None if it is unknown.
    """

    id: int
    at: float
    event: str
    session: str | None
    address: str
    device: str
    detail: Detail
    user_id: UUID | None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which records to list. Empty values and None match every record.

    `event` is a RecordName, and `actor` the id of the staff user who acted, or `operator`. Records are not older than
    `since` and older than `until`, in seconds since the epoch.
    """

    event: str = ""
    user_id: UUID | None = None
    actor: str = ""
    address: str = ""
    since: float | None = None
    until: float | None = None


class AuditStore(Protocol):
    """Stored audit records. Every method raises StoreUnavailable while the database does not answer."""

    def record(self, event: Event) -> None:
        """Commit the record of an event that changes nothing else, then dispatch the event."""

    def count(self, user_id: UUID) -> int:
        """Return how many records the account has."""

    def page(self, user_id: UUID, *, offset: int, limit: int) -> Sequence[AuditEntry]:
        """Return at most `limit` records of the account, the newest first, after the first `offset`."""

    def after(self, record_id: int, *, limit: int, user_id: UUID | None = None) -> Sequence[AuditEntry]:
        """Return at most `limit` records whose id is greater than `record_id`, the oldest first.

        With `user_id`, return only those of this account.
        """

    def newest(self, *, limit: int, user_id: UUID | None = None) -> Sequence[AuditEntry]:
        """Return the newest `limit` records, the oldest of them first; with `user_id`, those of this account."""

    def search(self, wanted: AuditFilter, *, before: int | None, limit: int) -> Sequence[AuditEntry]:
        """Return at most `limit` matching records, the newest first; with `before`, only those with a lower id."""

    def count_by_hour(self, events: Collection[str], since: float, hours: int) -> Mapping[tuple[str, int], int]:
        """Return how many records of `events` each of the `hours` hours from `since` has, if any.

        The keys are the event and the number of the hour; hour 0 begins at `since`, in seconds since the epoch.
        """

    def prune(self, before: float, limit: int) -> int:
        """Delete at most `limit` records older than `before` (epoch seconds), commit, and return how many."""

    def prune_failed_logins(self, now: float, limit: int) -> int:
        """Delete at most `limit` surplus failed log-ins, commit, and return how many.

        audit/failed_logins.py has the limits that make a row surplus.
        """
