"""The user store in SQL."""

from collections.abc import Callable, Mapping, Sequence
from math import inf, nextafter
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, Delete, Engine, Update, and_, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from auth_service.accounts.email_addresses import email_key, legacy_key
from auth_service.accounts.store import EmailTaken, LastStaffUser
from auth_service.accounts.user import STAFF, AccountStatus, NewUser, User
from auth_service.events.account_events import (
    ActivationReason,
    EmailChanged,
    EndReason,
    Event,
    PasswordChanged,
    PasswordReset,
    RegistrationRefused,
    RolesChanged,
    UserActivated,
    UserDeactivated,
    UserDeleted,
    UserInvited,
    UserRegistered,
    UserUpdated,
)
from auth_service.events.client import Client
from auth_service.storage.models import Database, UserRow
from auth_service.storage.moving_in.foreign_token_store import refuse_foreign_tokens
from auth_service.storage.sessions.endings import end_sessions, sessions_of
from auth_service.storage.transactions import Transactions
from auth_service.storage.users.conditions import USER_FIELDS, is_last_staff_user, matches_search
from auth_service.storage.users.statements import FIND_BY_EMAIL, FIND_BY_ID, REGISTER


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
        """Store a new user. Raises EmailTaken."""
        user_id = uuid4()
        values = {
            "id": user_id,
            "email": user.email,
            "email_folded": email_key(user.email),
            "password_hash": user.password_hash,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "roles": user.roles,
            "status": user.status,
            "language": user.language,
            "now": now,
        }
        must_verify = user.status is AccountStatus.UNVERIFIED and not user.is_invited
        client = self._current_client()
        names = user.first_name, user.last_name
        registered: Event = UserRegistered(now, user_id, client, user.email, must_verify, *names, user.roles)
        if user.is_invited:
            registered = UserInvited(now, user_id, client, user.email, user.roles, *names)
        refused = RegistrationRefused(now, None, client, user.email, must_verify)

        def write(connection: Connection) -> tuple[bool, Sequence[Event]]:
            is_stored = REGISTER.change(connection, values) == 1
            return is_stored, (registered if is_stored else refused,)

        if not self._transactions.record(write):
            raise EmailTaken
        return User(
            user_id,
            user.email,
            user.first_name,
            user.last_name,
            user.roles,
            user.status,
            user.password_hash,
            password_changed_at=now,
            email_changed_at=now,
            language=user.language,
        )

    def rename(self, user_id: UUID, names: Mapping[str, str], now: float) -> User | None:
        """Set the first_name and last_name that `names` has, and return the user; None if there is no such user."""
        if not names:
            return self.find(user_id)
        statement = update(UserRow).where(UserRow.id == user_id).values(dict(names)).returning(*USER_FIELDS)
        client = self._current_client()

        def write(connection: Connection) -> tuple[User | None, Sequence[Event]]:
            row = connection.execute(statement).one_or_none()
            if row is None:
                return None, ()
            user = _user(row)
            return user, (UserUpdated(now, user_id, client, user.email, user.first_name, user.last_name),)

        return self._transactions.record(write)

    def change_password(self, user: User, password_hash: str, now: float, *, keep: str | None) -> bool:
        """Store the hash and end every session except `keep`; return False if the password or status has changed."""
        statement = (
            update(UserRow)
            .where(_is_unchanged(user), UserRow.status == AccountStatus.ACTIVE)
            .values(password_hash=password_hash, password_changed_at=_after(user.password_changed_at, now))
        )
        event = PasswordChanged(now, user.id, self._current_client(), keep, user.email)
        return self._change_and_end(user, statement, (event,), EndReason.PASSWORD_CHANGED, keep=keep) is not None

    def reset_password(self, user: User, password_hash: str, now: float) -> bool:
        """Store the hash for a user who has proved to own the mailbox, and end every session."""
        statement = (
            update(UserRow)
            .where(_is_unchanged(user), UserRow.status != AccountStatus.BARRED)
            .values(
                password_hash=password_hash,
                password_changed_at=_after(user.password_changed_at, now),
                status=AccountStatus.ACTIVE,
                email_verified_at=func.coalesce(UserRow.email_verified_at, now),
            )
        )
        client = self._current_client()
        events: list[Event] = [PasswordReset(now, user.id, client, user.email)]
        if user.status is AccountStatus.UNVERIFIED:
            events.append(UserActivated(now, user.id, client, ActivationReason.EMAIL_VERIFIED, user.email))
        return self._change_and_end(user, statement, events, EndReason.PASSWORD_RESET) is not None

    def change_email(self, user: User, email: str, now: float, *, keep: str | None) -> bool:
        """Store another address and end every session except `keep`. Raises EmailTaken."""
        keys = (email_key(email), legacy_key(email))
        is_taken = (
            select(UserRow.id).where(UserRow.email_folded.in_(keys), UserRow.id != user.id).correlate(None).exists()
        )
        statement = (
            update(UserRow)
            .where(_is_unchanged(user), UserRow.status == AccountStatus.ACTIVE, ~is_taken)
            .values(
                email=email,
                email_folded=keys[0],
                email_changed_at=_after(user.email_changed_at, now),
                email_verified_at=None,
            )
        )
        event = EmailChanged(now, user.id, self._current_client(), keep, user.email, email)
        try:
            ended = self._change_and_end(user, statement, (event,), EndReason.EMAIL_CHANGED, keep=keep)
        except IntegrityError as error:  # PostgreSQL: another transaction took the mailbox meanwhile
            raise EmailTaken from error
        if ended is None and self._database.scalar(select(is_taken)):
            raise EmailTaken
        return ended is not None

    def accept_invitation(self, user: User, password_hash: str, now: float) -> bool:
        """Store the password of an invited user, who has proved to own the mailbox, and make the user active."""
        statement = (
            update(UserRow)
            .where(_is_unchanged(user), UserRow.status == AccountStatus.UNVERIFIED)
            .values(
                password_hash=password_hash,
                password_changed_at=_after(user.password_changed_at, now),
                status=AccountStatus.ACTIVE,
                email_verified_at=now,
            )
        )
        return self._activate(user, statement, ActivationReason.INVITATION_ACCEPTED, now)

    def set_roles(self, user: User, roles: Sequence[str], now: float, *, keep_staff: bool = False) -> int | None:
        """Set the user's roles and end its sessions; return how many ended, or None if the roles have changed."""
        joined_roles = " ".join(roles)
        event = RolesChanged(now, user.id, self._current_client(), joined_roles, user.roles)
        statement = update(UserRow).where(_is(user), UserRow.roles == user.roles).values(roles=joined_roles)
        is_kept = keep_staff and STAFF not in roles
        return self._change_and_end(user, statement, (event,), EndReason.ROLES_CHANGED, keep_staff=is_kept)

    def activate_verified(self, user: User, now: float) -> bool:
        """Allow an unverified user to log in, whose address was verified."""
        statement = (
            update(UserRow)
            .where(_is_unchanged(user), UserRow.status == AccountStatus.UNVERIFIED)
            .values(status=AccountStatus.ACTIVE, email_verified_at=now)
        )
        return self._activate(user, statement, ActivationReason.EMAIL_VERIFIED, now)

    def activate(self, user: User, now: float) -> None:
        """Allow the user to log in, at the request of staff or an operator. Nothing changes if the user is active."""
        statement = (
            update(UserRow)
            .where(_is(user), UserRow.status != AccountStatus.ACTIVE)
            .values(status=AccountStatus.ACTIVE)
        )
        self._activate(user, statement, ActivationReason.BY_OPERATOR, now)

    def deactivate(self, user: User, now: float, *, keep_staff: bool = False) -> int:
        """Forbid the user to log in and end its sessions. Return how many sessions ended. Raises LastStaffUser."""
        events = (UserDeactivated(now, user.id, self._current_client()),)
        is_allowed = UserRow.status != AccountStatus.BARRED  # so that two requests at once are recorded as one act
        statement = update(UserRow).where(_is(user), is_allowed).values(status=AccountStatus.BARRED)
        return self._change_and_end(user, statement, events, EndReason.USER_DEACTIVATED, keep_staff=keep_staff) or 0

    def delete(self, user: User, now: float, *, keep_staff: bool = False) -> int:
        """Delete the user and end its sessions. Return how many sessions ended. Raises LastStaffUser."""
        events = (UserDeleted(now, user.id, self._current_client()),)
        statement = delete(UserRow).where(_is(user))
        return self._change_and_end(user, statement, events, EndReason.USER_DELETED, keep_staff=keep_staff) or 0

    def count(self, user_id: UUID | None, *, search: str = "") -> int:
        """Return the number of users that `page` returns without limits."""
        statement = select(func.count()).select_from(UserRow).where(*_filters(user_id, search))
        return self._database.scalar(statement) or 0

    def page(
        self, user_id: UUID | None, *, search: str = "", offset: int = 0, limit: int | None = None
    ) -> Sequence[User]:
        """Return users in the order of registration; with `user_id` or `search`, only those that match."""
        statement = (
            select(*USER_FIELDS)
            .where(*_filters(user_id, search))
            .order_by(UserRow.created_at, UserRow.id)
            .offset(offset)
            .limit(limit)
        )
        return [_user(row) for row in self._database.execute(statement)]

    def _activate(self, user: User, statement: Update, reason: ActivationReason, now: float) -> bool:
        event = UserActivated(now, user.id, self._current_client(), reason, user.email)

        def write(connection: Connection) -> tuple[bool, Sequence[Event]]:
            is_changed = connection.execute(statement).rowcount == 1
            return is_changed, (event,) if is_changed else ()

        return self._transactions.record(write)

    def _change_and_end(
        self,
        user: User,
        statement: Update | Delete,
        events: Sequence[Event],
        reason: EndReason,
        *,
        keep: str | None = None,
        keep_staff: bool = False,
    ) -> int | None:
        """Change the user and end its sessions except `keep`. Return how many ended; None if no row was changed.

        With `keep_staff`, raises LastStaffUser and changes nothing if no other active user is staff.
        """

        def write(connection: Connection) -> tuple[int | LastStaffUser | None, Sequence[Event]]:
            if keep_staff and is_last_staff_user(connection, user.id):
                # Returned, because an exception would roll back the other writes of a group commit.
                return LastStaffUser(), ()
            if not connection.execute(statement).rowcount:
                return None, ()
            refuse_foreign_tokens(connection, user.id, events[0].at)
            sessions = sessions_of(user.id, keep=keep)
            ended = end_sessions(connection, sessions, events[0].at, reason, events[0].client)
            return len(ended), (*events, *ended)

        outcome = self._transactions.record(write)
        if isinstance(outcome, LastStaffUser):
            raise outcome
        return outcome


def _user(row: Sequence[Any]) -> User:
    return User(*row)


def _is(user: User) -> ColumnElement[bool]:
    return UserRow.id == user.id


def _is_unchanged(user: User) -> ColumnElement[bool]:
    """Return the condition that the status, the password and the address are as they were when `user` was read."""
    return and_(
        _is(user),
        UserRow.status == user.status,
        UserRow.password_changed_at == user.password_changed_at,
        UserRow.email_changed_at == user.email_changed_at,
    )


def _after(earlier: float, now: float) -> float:
    """Return `now`, or the next possible time after `earlier` if the clock was set back.

    So each change has another time, and no token that was issued before the change is valid after it.
    """
    return max(now, nextafter(earlier, inf))


def _filters(user_id: UUID | None, search: str) -> list[ColumnElement[bool]]:
    filters: list[ColumnElement[bool]] = []
    if user_id is not None:
        filters.append(UserRow.id == user_id)
    return [*filters, *matches_search(search)]
