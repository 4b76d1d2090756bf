"""The audit store in SQL."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Select, case, cast, delete, func, select

from auth_service.audit.failed_logins import MAX_ROWS_OF_UNKNOWN_ACCOUNTS, MAX_ROWS_PER_ACCOUNT, WINDOW_SECONDS
from auth_service.audit.store import AuditEntry, AuditFilter
from auth_service.audit.trail import RecordName
from auth_service.events.account_events import Event
from auth_service.storage.models import AuditRow, Database
from auth_service.storage.transactions import Transactions

_HOUR = 3_600.0

_ENTRIES: Select[*tuple[Any, ...]] = select(
    AuditRow.id,
    AuditRow.at,
    AuditRow.event,
    AuditRow.session,
    AuditRow.address,
    AuditRow.device,
    AuditRow.detail,
    AuditRow.user_id,
)


class SqlAuditStore:
    """Audit records in SQLite or PostgreSQL."""

    def __init__(self, database: Database, transactions: Transactions) -> None:
        self._database = database
        self._transactions = transactions

    def record(self, event: Event) -> None:
        """Commit the record of an event that changes nothing else, then dispatch the event."""
        self._transactions.record(lambda _: (None, (event,)))

    def count(self, user_id: UUID) -> int:
        """Return how many records the account has."""
        return self._database.scalar(select(func.count()).where(AuditRow.user_id == user_id)) or 0

    def page(self, user_id: UUID, *, offset: int, limit: int) -> Sequence[AuditEntry]:
        """Return at most `limit` records of the account, the newest first, after the first `offset`."""
        own = _ENTRIES.where(AuditRow.user_id == user_id).order_by(AuditRow.id.desc())
        return [AuditEntry(*row) for row in self._database.execute(own.offset(offset).limit(limit))]

    def after(self, record_id: int, *, limit: int, user_id: UUID | None = None) -> Sequence[AuditEntry]:
        """Return at most `limit` records whose id is greater than `record_id`, the oldest first."""
        statement = _entries_of(user_id).where(AuditRow.id > record_id).order_by(AuditRow.id).limit(limit)
        return self._read(statement)

    def newest(self, *, limit: int, user_id: UUID | None = None) -> Sequence[AuditEntry]:
        """Return the newest `limit` records, the oldest of them first."""
        return self._read(_entries_of(user_id).order_by(AuditRow.id.desc()).limit(limit))[::-1]

    def _read(self, statement: Select[*tuple[Any, ...]]) -> Sequence[AuditEntry]:
        entries = [AuditEntry(*row) for row in self._database.execute(statement)]
        self._database.rollback()  # so that a later read does not see the database as it is now
        return entries

    def search(self, wanted: AuditFilter, *, before: int | None, limit: int) -> Sequence[AuditEntry]:
        """Return at most `limit` matching records, the newest first."""
        conditions = _conditions(wanted)
        if before is not None:
            conditions.append(AuditRow.id < before)
        statement = _ENTRIES.where(*conditions).order_by(AuditRow.id.desc()).limit(limit)
        return [AuditEntry(*row) for row in self._database.execute(statement)]

    def count_by_hour(self, events: Collection[str], since: float, hours: int) -> Mapping[tuple[str, int], int]:
        """Return how many records of `events` each of the `hours` hours from `since` has."""
        hour: ColumnElement[Any] = (AuditRow.at - since) / _HOUR
        if self._database.get_bind().dialect.name != "sqlite":  # there the cast rounds down, elsewhere to the nearest
            hour = func.floor(hour)
        number = cast(hour, Integer)
        statement = (
            select(AuditRow.event, number, func.count())
            .where(AuditRow.at >= since, AuditRow.at < since + hours * _HOUR, AuditRow.event.in_(events))
            .group_by(AuditRow.event, number)
        )
        return {(event, found): count for event, found, count in self._database.execute(statement)}

    def prune(self, before: float, limit: int) -> int:
        """Delete at most `limit` records older than `before` (epoch seconds) and return how many."""
        old = select(AuditRow.id).where(AuditRow.at < before).limit(limit)
        statement = delete(AuditRow).where(AuditRow.id.in_(old))
        return self._transactions.run(lambda connection: connection.execute(statement).rowcount)

    def prune_failed_logins(self, now: float, limit: int) -> int:
        """Delete at most `limit` surplus failed log-ins (see audit/failed_logins.py) and return how many."""
        position = func.row_number().over(partition_by=AuditRow.user_id, order_by=AuditRow.id)
        kept = case((AuditRow.user_id.is_(None), MAX_ROWS_OF_UNKNOWN_ACCOUNTS), else_=MAX_ROWS_PER_ACCOUNT)
        recent = (
            select(AuditRow.id, position.label("position"), kept.label("kept"))
            .where(AuditRow.at > now - WINDOW_SECONDS, AuditRow.event == RecordName.LOGIN_FAILED.value)
            .subquery()
        )
        surplus = select(recent.c.id).where(recent.c.position > recent.c.kept).limit(limit)
        statement = delete(AuditRow).where(AuditRow.id.in_(surplus))
        return self._transactions.run(lambda connection: connection.execute(statement).rowcount)


def _entries_of(user_id: UUID | None) -> Select[*tuple[Any, ...]]:
    return _ENTRIES if user_id is None else _ENTRIES.where(AuditRow.user_id == user_id)


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.event:
        conditions.append(AuditRow.event == wanted.event)
    if wanted.user_id is not None:
        conditions.append(AuditRow.user_id == wanted.user_id)
    if wanted.actor:
        conditions.append(AuditRow.detail["actor"].as_string() == wanted.actor)
    if wanted.address:
        conditions.append(AuditRow.address == wanted.address)
    if wanted.since is not None:
        conditions.append(AuditRow.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(AuditRow.at < wanted.until)
    return conditions
