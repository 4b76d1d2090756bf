"""The user directory in SQL."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select

from auth_service.accounts.directory import Account, AccountFilter
from auth_service.accounts.user import User
from auth_service.storage.models import Database, UserRow
from auth_service.storage.users.conditions import USER_FIELDS, has_role, matches_search


class SqlUserDirectory:
    """Reads users in SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, user_id: UUID) -> Account | None:
        """Return the user `user_id`."""
        row = self._database.execute(_ACCOUNTS.where(UserRow.id == user_id)).one_or_none()
        return _account(row) if row else None

    def emails(self, user_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """Return the e-mail addresses of the users, without those who do not exist."""
        rows = self._database.execute(select(UserRow.id, UserRow.email).where(UserRow.id.in_(user_ids)))
        return {row.id: row.email for row in rows}

    def count(self, wanted: AccountFilter) -> int:
        """Return how many users match."""
        return self._database.scalar(select(func.count()).select_from(UserRow).where(*_conditions(wanted))) or 0

    def page(self, wanted: AccountFilter, *, offset: int, limit: int) -> Sequence[Account]:
        """Return at most `limit` matching users in the order of registration, after the first `offset`."""
        statement = (
            _ACCOUNTS.where(*_conditions(wanted)).order_by(UserRow.created_at, UserRow.id).offset(offset).limit(limit)
        )
        return [_account(row) for row in self._database.execute(statement)]


_ACCOUNTS: Select[*tuple[Any, ...]] = select(UserRow.created_at, UserRow.last_login_at, *USER_FIELDS)


def _account(row: Sequence[Any]) -> Account:
    created_at, last_login_at, *user = row
    return Account(User(*user), created_at, last_login_at)


def _conditions(wanted: AccountFilter) -> Sequence[ColumnElement[bool]]:
    conditions = list(matches_search(wanted.search))
    if wanted.role:
        conditions.append(has_role(wanted.role))
    if wanted.status is not None:
        conditions.append(UserRow.status == wanted.status)
    return conditions
