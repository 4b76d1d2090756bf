"""The session store in SQL."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Engine, delete, func, select, update

from auth_service.accounts.user import User
from auth_service.events.account_events import EndReason, Event, LoggedIn, Reauthenticated, SessionEnded
from auth_service.events.client import MAX_DEVICE, Client
from auth_service.sessions.refresh_policy import (
    ACCESS_EXPIRY_PADDING,
    RefreshPolicy,
    Rotate,
    SessionState,
    padded_access_expiry,
)
from auth_service.sessions.store import (
    MAX_LISTED,
    HandleTaken,
    ListedSession,
    OwnedSession,
    RefreshResult,
    Session,
    SessionRevocation,
    SessionWithUser,
)
from auth_service.storage.models import Database, SessionRow, UserRow
from auth_service.storage.moving_in.foreign_token_store import refuse_foreign_tokens
from auth_service.storage.sessions.endings import (
    end_sessions,
    expired_sessions,
    live_sessions,
    sessions_of,
    surplus_sessions,
)
from auth_service.storage.sessions.statements import (
    FIND,
    FIND_BY_HANDLE,
    FIND_WITH_USER,
    OPEN,
    RAISE_SEEN,
    RENEW,
    REPLACE,
    ROTATE,
    SESSION_COLUMN_COUNT,
)
from auth_service.storage.transactions import Transactions
from auth_service.storage.users.statements import LOG_IN
from contract.claims import LONGEST_ACCESS_LIFETIME

_LISTED_COLUMNS = (
    SessionRow.id,
    SessionRow.device,
    SessionRow.address,
    SessionRow.created_at,
    SessionRow.last_used_at,
    SessionRow.expires_at,
)
"""In the order of the fields of ListedSession."""


class SqlSessionStore:
    """Sessions in SQLite or PostgreSQL."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        transactions: Transactions,
        policy: RefreshPolicy,
        current_client: Callable[[], Client],
    ) -> None:
        self._database = database
        self._engine = engine
        self._transactions = transactions
        self._policy = policy
        self._current_client = current_client

    def open(
        self,
        session: Session,
        user: User,
        client: Client,
        *,
        max_sessions: int = 0,
        new_password_hash: str | None = None,
        handle_hash: str | None = None,
        replaces: str | None = None,
    ) -> bool:
        """Store a new session of a user whose password was verified; return False if the user has changed since."""
        now = session.state.rotated_at
        user_values = {
            "user_id": user.id,
            "password_changed_at": user.password_changed_at,
            "password_hash": new_password_hash or user.password_hash,
            "now": now,
        }
        session_values = _values_of_new(session, client, handle_hash)

        def write(connection: Connection) -> tuple[bool | HandleTaken, Sequence[Event]]:
            if not LOG_IN.change(connection, user_values):
                return False, ()
            if not OPEN.change(connection, session_values):
                # Returned, because an exception would roll back the other writes of a group commit.
                return HandleTaken(), ()
            events: list[Event] = [LoggedIn(now, session.user_id, client, session.sid)]
            if replaces:
                replaced = SessionRow.handle_hash == replaces
                events += end_sessions(connection, replaced, now, EndReason.REPLACED, client)
            if max_sessions:
                surplus = surplus_sessions(session, now, self._policy, max_sessions)
                events += end_sessions(connection, surplus, now, EndReason.TOO_MANY, client)
            return True, events

        outcome = self._transactions.record(write)
        if isinstance(outcome, HandleTaken):
            raise outcome
        return outcome

    def find(self, sid: str) -> Session | None:
        """Return the session `sid`, live or ended."""
        row = FIND.read(self._engine, {"sid": sid})
        return _session(row) if row else None

    def find_by_handle(self, handle_hash: str) -> Session | None:
        """Return the session with this handle hash, live or ended."""
        row = FIND_BY_HANDLE.read(self._engine, {"handle_hash": handle_hash})
        return _session(row) if row else None

    def find_with_user(self, sid: str, user_id: UUID) -> SessionWithUser | None:
        """Return the user, with the session `sid` if it belongs to the user; None if there is no such user."""
        row = FIND_WITH_USER.read(self._engine, {"sid": sid, "user_id": user_id})
        if row is None:
            return None
        columns, user = row[:SESSION_COLUMN_COUNT], User(*row[SESSION_COLUMN_COUNT:])
        return SessionWithUser(None if columns[0] is None else _session(columns), user)

    def try_rotate(self, sid: str, user_id: UUID, presented: int, now: float) -> RefreshResult | None:
        """Rotate a refresh token in one statement; return None if that is not allowed or a rotation is in grace."""
        values = {
            "sid": sid,
            "user_id": user_id,
            "presented": presented,
            "now": now,
            "recent_rotations": [now],
            "idle_since": now - self._policy.idle_lifetime,
            "grace_over": now - self._policy.grace,
            "access_needed": now + self._policy.access_lifetime,
            "access_raised": padded_access_expiry(now, self._policy),
        }
        row = self._transactions.run(lambda connection: ROTATE.fetch_one(connection, values))
        if row is None:
            return None
        email, roles, expires_at, access_expires_at = row
        state = SessionState(presented + 1, presented, now, (now,), expires_at, None, access_expires_at)
        return RefreshResult(Rotate(), Session(sid, user_id, state), email, roles)

    def replace(self, read: Session, changed: Session, now: float, *, end_reason: EndReason | None = None) -> bool:
        """Store `changed` if the session has not ended and has the generations of `read`, else return False."""
        values = _values_of_change(read, changed, now)
        state = changed.state
        events: list[Event] = []
        if end_reason is not None:
            client = self._current_client()
            events.append(
                SessionEnded(
                    now, read.user_id, client, read.sid, end_reason, state.expires_at, state.access_expires_at
                )
            )

        def write(connection: Connection) -> tuple[bool, Sequence[Event]]:
            is_replaced = REPLACE.change(connection, values) == 1
            return is_replaced, events if is_replaced else ()

        return self._transactions.record(write)

    def renew(self, sid: str, now: float) -> bool:
        """Restart the idle time of a session; return False if it has ended or is past its absolute end."""
        values = {
            "sid": sid,
            "now": now,
            "access_needed": now + self._policy.access_lifetime,
            "access_raised": padded_access_expiry(now, self._policy),
        }
        return self._transactions.run(lambda connection: RENEW.change(connection, values) == 1)

    def raise_seen_generations(self, seen: Iterable[tuple[str, int]]) -> None:
        """Raise the seen generation of each `sid`. It never falls, and never exceeds the session's generation."""
        # Sorted, so that two reports of the same sessions lock rows in the same order and cannot deadlock.
        entries = [{"sid": sid, "seen": generation} for sid, generation in sorted(seen)]

        def write(connection: Connection) -> None:
            for entry in entries:
                RAISE_SEEN.change(connection, entry)

        if entries:
            self._transactions.run(write)

    def end(self, sid: str, now: float, reason: EndReason, *, owner: UUID | None = None) -> bool:
        """End a session; return False if it has ended before, does not exist or does not belong to `owner`."""
        condition = SessionRow.id == sid
        if owner is not None:
            condition &= SessionRow.user_id == owner
        return self._end(condition, now, reason) == 1

    def end_all(self, user_id: UUID, now: float, reason: EndReason, *, keep: str | None = None) -> int:
        """End every session of a user except `keep`; return how many ended."""
        client = self._current_client()

        def write(connection: Connection) -> tuple[int, Sequence[Event]]:
            refuse_foreign_tokens(connection, user_id, now)
            ended = end_sessions(connection, sessions_of(user_id, keep=keep), now, reason, client)
            return len(ended), ended

        return self._transactions.record(write)

    def live_sessions(self, user_id: UUID, now: float) -> Sequence[ListedSession]:
        """Return the user's live sessions, the most recently used first, at most MAX_LISTED."""
        rows = self._database.execute(
            select(*_LISTED_COLUMNS)
            .where(live_sessions(now, self._policy, user_id))
            .order_by(SessionRow.last_used_at.desc(), SessionRow.created_at.desc(), SessionRow.id)
            .limit(MAX_LISTED)
        )
        return [ListedSession(*row) for row in rows]

    def newest_live(self, now: float, *, address: str = "", offset: int, limit: int) -> Sequence[OwnedSession]:
        """Return at most `limit` live sessions of all users, the newest log-in first, after the first `offset`."""
        statement = (
            select(*_LISTED_COLUMNS, UserRow.id, UserRow.email)
            .join(UserRow, UserRow.id == SessionRow.user_id)
            .where(live_sessions(now, self._policy))
            .order_by(SessionRow.created_at.desc(), SessionRow.id)
            .offset(offset)
            .limit(limit)
        )
        if address:
            statement = statement.where(SessionRow.address == address)
        rows = self._database.execute(statement)
        return [OwnedSession(ListedSession(*row[:-2]), row[-2], row[-1]) for row in rows]

    def count_live(self, now: float) -> int:
        """Return how many sessions of all users are live."""
        statement = select(func.count()).select_from(SessionRow).where(live_sessions(now, self._policy))
        return self._database.scalar(statement) or 0

    def authenticated_at(self, sid: str) -> float:
        """Return when the user last entered the password in a session; 0.0 if never, or if there is no session."""
        return self._database.scalar(select(SessionRow.authenticated_at).where(SessionRow.id == sid)) or 0.0

    def record_authentication(self, sid: str, user_id: UUID, now: float) -> bool:
        """Store that the user entered the password in the session; return False if it has ended."""
        statement = (
            update(SessionRow)
            .where(SessionRow.id == sid, SessionRow.user_id == user_id, SessionRow.revoked_at.is_(None))
            .values(authenticated_at=now)
        )
        event = Reauthenticated(now, user_id, self._current_client(), sid)

        def write(connection: Connection) -> tuple[bool, Sequence[Event]]:
            is_recorded = connection.execute(statement).rowcount == 1
            return is_recorded, (event,) if is_recorded else ()

        return self._transactions.record(write)

    def unexpired_revocations(self, at: float) -> Sequence[SessionRevocation]:
        """Return the revocations of sessions whose access tokens may be unexpired at `at`, the oldest first."""
        earliest = at - LONGEST_ACCESS_LIFETIME - ACCESS_EXPIRY_PADDING
        rows = self._database.execute(
            select(SessionRow.id, SessionRow.revoked_at, SessionRow.access_expires_at)
            .where(SessionRow.revoked_at >= earliest)  # the next condition implies it; this one uses an index
            .where(SessionRow.access_expires_at >= at)
            .order_by(SessionRow.revoked_at)
        ).all()
        self._database.rollback()  # returns the connection before the caller publishes the revocations to Redis
        return [SessionRevocation(sid, ended_at, expires) for sid, ended_at, expires in rows if ended_at is not None]

    def prune(self, before: float, limit: int) -> int:
        """Delete at most `limit` sessions whose tokens all expired before `before`; return how many."""
        expired = select(SessionRow.id).where(expired_sessions(before, self._policy)).limit(limit)
        statement = delete(SessionRow).where(SessionRow.id.in_(expired))
        return self._transactions.run(lambda connection: connection.execute(statement).rowcount)

    def _end(self, condition: ColumnElement[bool], now: float, reason: EndReason) -> int:
        client = self._current_client()

        def write(connection: Connection) -> tuple[int, Sequence[Event]]:
            ended = end_sessions(connection, condition, now, reason, client)
            return len(ended), ended

        return self._transactions.record(write)


def _session(row: Sequence[Any]) -> Session:
    sid, user_id, generation, seen_generation, rotated_at, recent_rotations, *end_times = row
    state = SessionState(generation, seen_generation, rotated_at, tuple(recent_rotations), *end_times)
    return Session(sid, user_id, state)


def _values_of_new(session: Session, client: Client, handle_hash: str | None) -> dict[str, object]:
    return {
        "id": session.sid,
        "user_id": session.user_id,
        "now": session.state.rotated_at,
        "recent_rotations": [],
        "handle_hash": handle_hash,
        "expires_at": session.state.expires_at,
        "access_expires_at": session.state.access_expires_at,
        "device": client.device[:MAX_DEVICE],
        "address": client.address,
    }


def _values_of_change(read: Session, changed: Session, now: float) -> dict[str, object]:
    state = changed.state
    return {
        "sid": read.sid,
        "read_generation": read.state.generation,
        "read_seen_generation": read.state.seen_generation,
        "generation": state.generation,
        "seen_generation": state.seen_generation,
        "rotated_at": state.rotated_at,
        "recent_rotations": list(state.recent_rotations),
        "grace_began_at": max(state.recent_rotations, default=0.0),
        "revoked_at": state.revoked_at,
        "access_expires_at": state.access_expires_at,
        "now": now,
    }
