"""Figures of the auth service for staff: users, live sessions, waiting mails, and log-ins by hour."""

from collections.abc import Mapping
from dataclasses import dataclass

from auth_service.accounts.directory import AccountFilter, UserDirectory
from auth_service.accounts.user import AccountStatus
from auth_service.audit.store import AuditStore
from auth_service.audit.trail import RecordName
from auth_service.mail.outbox import MailOutbox
from auth_service.sessions.store import SessionStore
from chassis.clock import Clock

HOUR = 3_600
HOURS = 24
"""Hours that the counts by hour cover, the present one included."""

COUNTED = (RecordName.LOGIN_OK, RecordName.LOGIN_FAILED, RecordName.REGISTERED, RecordName.REPLAY_DETECTED)
"""The audit records that are counted by hour."""


@dataclass(frozen=True, slots=True)
class HourFigures:
    """The number of audit records in the hour that begins at `start`, in seconds since the epoch, by name."""

    start: float
    counts: Mapping[RecordName, int]


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures at `at`, in seconds since the epoch. The last of `hours` is the present one."""

    at: float
    users: Mapping[AccountStatus, int]
    live_sessions: int
    mails_waiting: int
    hours: tuple[HourFigures, ...]

    def total(self, name: RecordName) -> int:
        """Return the number of records called `name` in all hours."""
        return sum(hour.counts[name] for hour in self.hours)


@dataclass(frozen=True, slots=True)
class FigureReader:
    """Reads the figures from SQL."""

    directory: UserDirectory
    sessions: SessionStore
    audit: AuditStore
    outbox: MailOutbox
    clock: Clock

    def read(self) -> Figures:
        """Return the figures of now. Raises StoreUnavailable."""
        now = self.clock()
        first = (now // HOUR - (HOURS - 1)) * HOUR
        counts = self.audit.count_by_hour([name.value for name in COUNTED], first, HOURS)
        hours = tuple(
            HourFigures(first + number * HOUR, {name: counts.get((name.value, number), 0) for name in COUNTED})
            for number in range(HOURS)
        )
        users = {status: self.directory.count(AccountFilter(status=status)) for status in AccountStatus}
        return Figures(now, users, self.sessions.count_live(now), self.outbox.waiting(), hours)
