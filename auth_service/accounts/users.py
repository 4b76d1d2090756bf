"""Owns the users table: who may register, log in, and be renamed, deactivated or deleted.

Whatever ends sessions does so in the same transaction; the caller announces them once it is committed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, CursorResult, Engine, Update, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from auth_service.accounts.email_addresses import email_key, own_key
from auth_service.audit.client import Client
from auth_service.audit.trail import AuditRecord, AuditTrail, Event, Reason, rows_of
from auth_service.sessions.store import EndedSession, Session, SessionStore, records_of
from auth_service.storage.account_statements import ENTER, FIND_BY_EMAIL
from auth_service.storage.group_commit import Commits
from auth_service.storage.models import Database, User


class EmailTaken(Exception):
    """Somebody has registered with this address, or another spelling of it."""


class HandleTaken(Exception):
    """Another session is held by the same handle."""


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What a registration stores. The address has been checked and the password hashed."""

    email: str
    password_hash: str
    first_name: str = ""
    last_name: str = ""
    roles: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Account:
    """Of a user what a log-in judges and tells."""

    id: UUID
    email: str
    first_name: str
    last_name: str
    roles: str
    is_active: bool
    password_hash: str
    password_changed_at: float


NOBODY = Account(UUID(int=0), "nobody@example.org", "", "", "", False, "", 0.0)
"""Stands for whoever names no account, where the same has to be done for them as for everybody."""


class Accounts:
    """The users in SQL. Every method that writes commits."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        sessions: SessionStore,
        trail: AuditTrail,
        commits: Commits,
        *,
        most_sessions: int,
    ) -> None:
        self._database = database
        self._engine = engine
        self._sessions = sessions
        self._trail = trail
        self._commits = commits
        self._most_sessions = most_sessions

    def find(self, user_id: UUID) -> User | None:
        """The user `user_id`, active or not."""
        return self._database.get(User, user_id)

    def find_by_email(self, email: str) -> User | None:
        """The user with this mailbox, active or not."""
        by_spelling = (User.email_folded == own_key(email)).desc()
        return self._database.scalar(select(User).where(_has_mailbox(email)).order_by(by_spelling).limit(1))

    def find_account(self, email: str) -> Account | None:
        """Who wants to log in with this address, active or not."""
        # A connection for this alone, which goes back at once: none is held while a password is hashed.
        with self._engine.connect() as connection:
            keys = {"email_key": email_key(email), "own_key": own_key(email)}
            row = connection.execute(FIND_BY_EMAIL, keys).one_or_none()
        return Account(*row) if row else None

    def is_email_taken(self, email: str) -> bool:
        """Whether somebody has registered with this mailbox."""
        return bool(self._database.scalar(select(func.count()).where(_has_mailbox(email))))

    def register(self, account: NewAccount, now: float) -> User:
        """A new, active user. Raises EmailTaken, also when two registrations meet."""
        user = User(
            id=uuid4(),
            email=account.email,
            email_folded=email_key(account.email),
            password_hash=account.password_hash,
            first_name=account.first_name,
            last_name=account.last_name,
            roles=account.roles,
            is_active=True,
            created_at=now,
            password_changed_at=now,
        )
        self._database.add(user)
        try:
            self._database.commit()
        except IntegrityError as error:
            self._database.rollback()
            raise EmailTaken from error
        return user

    def log_in(
        self,
        account: Account,
        session: Session,
        client: Client,
        *,
        new_hash: str | None,
        handle_hash: str | None = None,
        replaces: str | None = None,
    ) -> list[EndedSession] | None:
        """Begins `session` of `account`, whose password was verified; None where it was changed or barred meanwhile.

        `new_hash` replaces one of another cost. A browser holds the session by the handle of `handle_hash`. Gives the
        sessions that end with it: the one held by the handle whose hash is `replaces`, of any user, and the
        oldest of more than a user may have. Raises HandleTaken.
        """
        now = session.state.rotated_at
        values = {
            "user_id": account.id,
            "password_changed_at": account.password_changed_at,
            "password_hash": new_hash or account.password_hash,
            "now": now,
        }

        def write(transaction: Connection) -> _EndedByLogin | HandleTaken | None:
            # Locks the row against a password change or deactivation that would miss the session made here.
            if not transaction.execute(ENTER, values).rowcount:
                return None
            if not self._sessions.open(session, client, transaction, handle_hash=handle_hash):
                return HandleTaken()
            replaced = self._sessions.end_by_handle(replaces, now, transaction) if replaces else []
            most = self._most_sessions
            surplus = self._sessions.end_oldest(session, now, transaction, keep=most) if most else []
            ended = _EndedByLogin(replaced, surplus)
            self._trail.write(rows_of(_records(session, ended), client), transaction)
            return ended

        ended = self._commits.run(write)
        if isinstance(ended, HandleTaken):
            raise ended
        if ended is None:
            return None
        self._trail.tell(*_records(session, ended))
        return [*ended.replaced, *ended.surplus]

    def rename(self, user: User, names: dict[str, str]) -> User | None:
        """The user with the first_name and last_name in `names`; None where it was deleted meanwhile."""
        if names:
            self._execute(update(User).where(User.id == user.id).values(names))
            self._database.commit()
        return self._database.get(User, user.id, populate_existing=True)

    def change_password(
        self, user: User, password_hash: str, now: float, *, keep: str | None
    ) -> list[EndedSession] | None:
        """Stores the hash and ends every session but `keep`; None where the password was changed meanwhile."""
        if not self._execute(self._still(user).values(password_hash=password_hash, password_changed_at=now)):
            self._database.rollback()
            return None
        return self._end_sessions(user, now, Reason.PASSWORD_CHANGED, keep=keep)

    def grant(self, user: User, roles: Sequence[str], now: float) -> list[EndedSession]:
        """Gives the user exactly these roles and ends its sessions, whose tokens name the old ones."""
        self._execute(update(User).where(User.id == user.id).values(roles=" ".join(roles)))
        return self._end_sessions(user, now, Reason.ROLES_CHANGED)

    def activate(self, user: User) -> None:
        """Lets the user log in again."""
        self._execute(update(User).where(User.id == user.id).values(is_active=True))
        self._database.commit()

    def deactivate(self, user: User, now: float) -> list[EndedSession]:
        """Bars the user from logging in and ends its sessions."""
        self._execute(update(User).where(User.id == user.id).values(is_active=False))
        return self._end_sessions(user, now, Reason.USER_DEACTIVATED)

    def delete(self, user: User, now: float) -> list[EndedSession]:
        """Forgets the user and ends its sessions."""
        self._database.execute(delete(User).where(User.id == user.id), execution_options=_UNSYNCHRONIZED)
        return self._end_sessions(user, now, Reason.USER_DELETED)

    def count(self, only: UUID | None) -> int:
        """How many users there are; at most the one `only` where that is given."""
        statement = select(func.count()).select_from(User)
        if only is not None:
            statement = statement.where(User.id == only)
        return self._database.scalar(statement) or 0

    def page(self, only: UUID | None, *, offset: int = 0, limit: int | None = None) -> Sequence[User]:
        """The users in the order they registered; at most the one `only` where that is given."""
        statement = select(User).order_by(User.created_at, User.id).offset(offset).limit(limit)
        if only is not None:
            statement = statement.where(User.id == only)
        return self._database.scalars(statement).all()

    def _still(self, user: User) -> Update:
        return update(User).where(
            User.id == user.id, User.is_active, User.password_changed_at == user.password_changed_at
        )

    def _end_sessions(self, user: User, now: float, reason: Reason, *, keep: str | None = None) -> list[EndedSession]:
        ended = self._sessions.end_all(user.id, now, keep=keep)
        event = _EVENTS.get(reason)
        of_the_account = [AuditRecord(event, now, user.id, keep)] if event else []
        self._trail.commit(*of_the_account, *records_of(ended, reason))
        return ended

    def _execute(self, statement: Update) -> int:
        result = self._database.execute(statement, execution_options=_UNSYNCHRONIZED)
        if not isinstance(result, CursorResult):
            raise TypeError(f"an UPDATE gave a {type(result).__name__}")
        return result.rowcount


def _has_mailbox(email: str) -> ColumnElement[bool]:
    return User.email_folded.in_((email_key(email), own_key(email)))


@dataclass(frozen=True, slots=True)
class _EndedByLogin:
    replaced: list[EndedSession]
    surplus: list[EndedSession]


def _records(session: Session, ended: _EndedByLogin) -> list[AuditRecord]:
    login = AuditRecord(Event.LOGIN_OK, session.state.rotated_at, session.user_id, session.sid)
    replaced = records_of(ended.replaced, Reason.REPLACED)
    return [login, *replaced, *records_of(ended.surplus, Reason.TOO_MANY)]


_EVENTS = {
    Reason.PASSWORD_CHANGED: Event.PASSWORD_CHANGED,
    Reason.USER_DEACTIVATED: Event.DEACTIVATED,
    Reason.USER_DELETED: Event.DELETED,
}

# Rows are changed in SQL and objects are not reused after it: there is nothing in memory to bring up to date.
_UNSYNCHRONIZED = {"synchronize_session": False}
