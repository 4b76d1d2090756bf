"""The user store in SQL."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, Delete, Engine, Update, delete, func, select, update

from auth_service.accounts.email_addresses import email_key, legacy_key
from auth_service.accounts.store import EmailTaken
from auth_service.accounts.user import NewUser, User
from auth_service.events.account_events import (
    EndReason,
    Event,
    PasswordChanged,
    RolesChanged,
    UserDeactivated,
    UserDeleted,
)
from auth_service.events.client import Client
from auth_service.storage.models import Database, UserRow
from auth_service.storage.session_endings import end_sessions, sessions_of
from auth_service.storage.transactions import Transactions
from auth_service.storage.user_statements import FIND_BY_EMAIL, FIND_BY_ID, REGISTER

_COLUMNS = (
    UserRow.id,
    UserRow.email,
    UserRow.first_name,
    UserRow.last_name,
    UserRow.roles,
    UserRow.is_active,
    UserRow.password_hash,
    UserRow.password_changed_at,
)


class SqlUserStore:
    """Users in SQLite or PostgreSQL."""

    def __init__(
        self, database: Database, engine: Engine, transactions: Transactions, current_client: Callable[[], Client]
    ) -> None:
        self._database = database
        self._engine = engine
        self._transactions = transactions
        self._current_client = current_client

    def find(self, user_id: UUID) -> User | None:
        """Return the user `user_id`, active or not."""
        row = FIND_BY_ID.read(self._engine, {"user_id": user_id})
        return _user(row) if row else None

    def find_by_email(self, email: str) -> User | None:
        """Return the user with this mailbox, active or not."""
        keys = {"email_key": email_key(email), "legacy_key": legacy_key(email)}
        row = FIND_BY_EMAIL.read(self._engine, keys)
        return _user(row) if row else None

    def is_email_taken(self, email: str) -> bool:
        """Return whether a user has registered with this mailbox."""
        has_mailbox = UserRow.email_folded.in_((email_key(email), legacy_key(email)))
        return bool(self._database.scalar(select(func.count()).where(has_mailbox)))

    def register(self, user: NewUser, now: float) -> User:
        """Store a new, active user. Raises EmailTaken."""
        user_id = uuid4()
        values = {
            "id": user_id,
            "email": user.email,
            "email_folded": email_key(user.email),
            "password_hash": user.password_hash,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "roles": user.roles,
            "now": now,
        }
        if not self._transactions.run(lambda connection: REGISTER.change(connection, values)):
            raise EmailTaken
        return User(user_id, user.email, user.first_name, user.last_name, user.roles, True, user.password_hash, now)

    def rename(self, user_id: UUID, names: Mapping[str, str]) -> User | None:
        """Set the first_name and last_name that `names` has, and return the user; None if there is no such user."""
        if not names:
            return self.find(user_id)
        statement = update(UserRow).where(UserRow.id == user_id).values(dict(names)).returning(*_COLUMNS)
        row = self._transactions.run(lambda connection: connection.execute(statement).one_or_none())
        return _user(row) if row else None

    def change_password(self, user: User, password_hash: str, now: float, *, keep: str | None) -> bool:
        """Store the hash and end every session except `keep`; return False if the password or status has changed."""
        statement = (
            update(UserRow)
            .where(_is(user), UserRow.is_active, UserRow.password_changed_at == user.password_changed_at)
            .values(password_hash=password_hash, password_changed_at=now)
        )
        event = PasswordChanged(now, user.id, self._current_client(), keep)
        return self._change_and_end(user, statement, event, EndReason.PASSWORD_CHANGED, keep=keep) is not None

    def set_roles(self, user: User, roles: Sequence[str], now: float) -> int:
        """Set the user's roles and end its sessions, whose tokens have the old roles. Return how many ended."""
        joined_roles = " ".join(roles)
        event = RolesChanged(now, user.id, self._current_client(), joined_roles)
        statement = update(UserRow).where(_is(user)).values(roles=joined_roles)
        return self._change_and_end(user, statement, event, EndReason.ROLES_CHANGED) or 0

    def activate(self, user: User) -> None:
        """Allow the user to log in again."""
        statement = update(UserRow).where(_is(user)).values(is_active=True)
        self._transactions.run(lambda connection: connection.execute(statement))

    def deactivate(self, user: User, now: float) -> int:
        """Forbid the user to log in and end its sessions. Return how many sessions ended."""
        event = UserDeactivated(now, user.id, self._current_client())
        statement = update(UserRow).where(_is(user)).values(is_active=False)
        return self._change_and_end(user, statement, event, EndReason.USER_DEACTIVATED) or 0

    def delete(self, user: User, now: float) -> int:
        """Delete the user and end its sessions. Return how many sessions ended."""
        event = UserDeleted(now, user.id, self._current_client())
        return self._change_and_end(user, delete(UserRow).where(_is(user)), event, EndReason.USER_DELETED) or 0

    def count(self, user_id: UUID | None) -> int:
        """Return the number of users; with `user_id`, 1 if there is such a user, else 0."""
        statement = select(func.count()).select_from(UserRow)
        if user_id is not None:
            statement = statement.where(UserRow.id == user_id)
        return self._database.scalar(statement) or 0

    def page(self, user_id: UUID | None, *, offset: int = 0, limit: int | None = None) -> Sequence[User]:
        """Return users in the order of registration; with `user_id`, only that user."""
        statement = select(*_COLUMNS).order_by(UserRow.created_at, UserRow.id).offset(offset).limit(limit)
        if user_id is not None:
            statement = statement.where(UserRow.id == user_id)
        return [_user(row) for row in self._database.execute(statement)]

    def _change_and_end(
        self, user: User, statement: Update | Delete, event: Event, reason: EndReason, *, keep: str | None = None
    ) -> int | None:
        """Change the user and end its sessions except `keep`. Return how many ended; None if no row was changed."""

        def write(connection: Connection) -> tuple[int | None, Sequence[Event]]:
            if not connection.execute(statement).rowcount:
                return None, ()
            sessions = sessions_of(user.id, keep=keep)
            ended = end_sessions(connection, sessions, event.at, reason, event.client)
            return len(ended), (event, *ended)

        return self._transactions.record(write)


def _user(row: Sequence[Any]) -> User:
    return User(*row)


def _is(user: User) -> ColumnElement[bool]:
    return UserRow.id == user.id
