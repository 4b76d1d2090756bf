"""Owns the sessions table: every change is one statement that says what it expects to find.

SQL is the record. When it fails, SQLAlchemy's errors pass through: nothing was changed and no token is handed out.
Nothing is read under a lock and written afterwards: whoever loses a race reads again and decides again.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, CursorResult, Select, Update, and_, case, delete, or_, select, update

from auth_service.audit.client import Client
from auth_service.audit.trail import AuditRecord, AuditTrail, Reason, end_of_session, rows_of
from auth_service.sessions.refresh_policy import (
    COVER_SLACK,
    Decision,
    RefreshPolicy,
    Replay,
    Rotate,
    SessionState,
    after,
    covering,
    decide,
)
from auth_service.storage.group_commit import Commits
from auth_service.storage.models import MAX_DEVICE, Database, SessionRow
from auth_service.storage.session_statements import (
    FIND,
    FIND_BY_HANDLE,
    FIND_WITH_BEARER,
    OPEN,
    RAISE_SEEN,
    ROTATE,
    SWAP,
)
from contract.claims import LONGEST_ACCESS_LIFETIME

MAX_LISTED = 1000
"""Sessions shown to their owner."""

_ATTEMPTS = 32
"""A lost race means that somebody else's statement changed the row; 32 in a row are not seen in practice."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it stood when it was read."""

    sid: str
    user_id: UUID
    state: SessionState


def new_session(user_id: UUID, now: float, lifetime: float, policy: RefreshPolicy) -> Session:
    """A session as it begins, `lifetime` seconds long at most, under a name of its own."""
    state = SessionState(
        0,
        0,
        now,
        (),
        expires_at=now + lifetime,
        revoked_at=None,
        access_expires_at=covering(now, policy),
    )
    return Session(secrets.token_hex(16), user_id, state)


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session that has ended: whose it was, when, and until when its tokens would have lived, of each kind."""

    sid: str
    user_id: UUID
    ended_at: float
    expires_at: float
    access_expires_at: float


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What became of a refresh: the decision, the session after it, and what its user's access token is to say."""

    decision: Decision
    session: Session
    email: str
    roles: str


class NoActiveAccount(Exception):
    """The session's user is barred, or deleted."""

    def __init__(self, *, is_deleted: bool) -> None:
        super().__init__()
        self.is_deleted = is_deleted


class RaceNotWon(Exception):
    """The row changed under every attempt. Nothing was changed by us; try again."""


class SessionStore:
    """The sessions in SQL. Every method that writes commits, but for those that say so."""

    def __init__(self, database: Database, policy: RefreshPolicy, trail: AuditTrail, commits: Commits) -> None:
        self._database = database
        self._commits = commits
        self._policy = policy
        self._trail = trail

    def open(
        self, session: Session, client: Client, transaction: Connection, *, handle_hash: str | None = None
    ) -> bool:
        """Stores a new session; False where another has the same `handle_hash`.

        Part of a transaction, whichever thread runs it.
        """
        state = session.state
        row = {
            "id": session.sid,
            "user_id": session.user_id,
            "now": state.rotated_at,
            "recent_rotations": [],
            "handle_hash": handle_hash,
            "expires_at": state.expires_at,
            "access_expires_at": state.access_expires_at,
            "device": client.device[:MAX_DEVICE],
            "address": client.address,
        }
        return transaction.execute(OPEN, row).rowcount == 1

    def find(self, sid: str) -> Session | None:
        """The session `sid`, ended or not."""
        row = self._database.execute(FIND, {"sid": sid}).one_or_none()
        return _session(row) if row else None

    def find_by_handle(self, handle_hash: str) -> Session | None:
        """The session that is held by this handle, ended or not."""
        row = self._database.execute(FIND_BY_HANDLE, {"handle_hash": handle_hash}).one_or_none()
        return _session(row) if row else None

    def renew(self, sid: str, now: float) -> bool:
        """Begins the idle time of a session anew; False where it has ended."""
        is_live = (SessionRow.id == sid, SessionRow.revoked_at.is_(None), SessionRow.expires_at > now)
        until, raised = now + self._policy.access_lifetime, covering(now, self._policy)
        covered = case((SessionRow.access_expires_at < until, raised), else_=SessionRow.access_expires_at)
        values = {"rotated_at": now, "last_used_at": now, "access_expires_at": covered}
        count = self._execute(update(SessionRow).where(*is_live).values(values))
        self._database.commit()
        return count == 1

    def rotate_undisputed(self, sid: str, user_id: UUID, presented: int, now: float) -> Refreshed | None:
        """The usual refresh, in one statement: of an active user's newest token, while no grace is running.

        None where it is not that plain: then `refresh` decides. What it does, `decide` and `after` would have done.
        """
        values = {
            "sid": sid,
            "user_id": user_id,
            "presented": presented,
            "now": now,
            "recent_rotations": [now],
            "idle_since": now - self._policy.idle_lifetime,
            "grace_over": now - self._policy.grace,
            "access_needed": now + self._policy.access_lifetime,
            "access_raised": covering(now, self._policy),
        }
        row = self._commits.run(lambda connection: connection.execute(ROTATE, values).one_or_none())
        if row is None:
            return None
        email, roles, expires_at, access_expires_at = row
        state = SessionState(presented + 1, presented, now, (now,), expires_at, None, access_expires_at)
        return Refreshed(Rotate(), Session(sid, user_id, state), email, roles)

    def refresh(self, sid: str, user_id: UUID, presented: int, now: float) -> Refreshed | None:
        """Decides on a refresh token of generation `presented` and records it; None where there is no such session.

        Raises NoActiveAccount or RaceNotWon.
        """
        for _ in range(_ATTEMPTS):
            session, email, roles = self._read(sid, user_id)
            if session is None:
                return None
            decision = decide(session.state, presented, now, self._policy)
            changed = replace(session, state=after(session.state, decision, now, self._policy))
            if changed == session or self._swap(session, changed, now, decision):
                return Refreshed(decision, changed, email, roles)
        raise RaceNotWon

    def _read(self, sid: str, user_id: UUID) -> tuple[Session | None, str, str]:
        """A user's session, and what tokens say of the user. Raises NoActiveAccount."""
        row = self._database.execute(FIND_WITH_BEARER, {"sid": sid, "user_id": user_id}).one_or_none()
        self._database.commit()  # gives the connection back: nobody who waits for a turn holds one
        if row is None or not row.is_active:
            raise NoActiveAccount(is_deleted=row is None)
        *columns, email, roles, _ = row
        return None if row.id is None else _session(columns), email, roles

    def end(
        self, sid: str, now: float, *, owner: UUID | None = None, reason: Reason = Reason.LOGOUT
    ) -> EndedSession | None:
        """Ends the session; None where it had ended before, or is not the `owner`'s."""
        statement = update(SessionRow).where(SessionRow.id == sid)
        if owner is not None:
            statement = statement.where(SessionRow.user_id == owner)
        client = self._trail.client()

        def write(transaction: Connection) -> list[EndedSession]:
            ended = _end(statement, now, transaction)
            self._trail.write(rows_of(records_of(ended, reason), client), transaction)
            return ended

        self._database.commit()  # gives the connection back
        ended = self._commits.run(write)
        self._trail.tell(*records_of(ended, reason))
        return ended[0] if ended else None

    def log_out(self, user_id: UUID, now: float, *, keep: str | None, reason: Reason) -> list[EndedSession]:
        """Ends every session of the user but `keep`."""
        ended = self.end_all(user_id, now, keep=keep)
        self._trail.commit(*records_of(ended, reason))
        return ended

    def end_all(self, user_id: UUID, now: float, *, keep: str | None = None) -> list[EndedSession]:
        """Ends every session of the user but `keep`. Part of the caller's transaction."""
        statement = update(SessionRow).where(SessionRow.user_id == user_id)
        if keep is not None:
            statement = statement.where(SessionRow.id != keep)
        return _end(statement, now, self._database)

    def end_oldest(self, newest: Session, now: float, transaction: Connection, *, keep: int) -> list[EndedSession]:
        """Ends the oldest live sessions of the user who has more than `keep`, of which `newest` is one.

        One statement, part of a transaction, whichever thread runs it.
        """
        surplus = (
            _live(select(SessionRow.id), newest.user_id, now, self._policy)
            .where(SessionRow.id != newest.sid)
            .order_by(SessionRow.created_at.desc(), SessionRow.id)
            .offset(keep - 1)
        )
        return _end(update(SessionRow).where(SessionRow.id.in_(surplus)), now, transaction)

    def end_by_handle(self, handle_hash: str, now: float, transaction: Connection) -> list[EndedSession]:
        """Ends the session that is held by this handle. Part of a transaction, whichever thread runs it."""
        return _end(update(SessionRow).where(SessionRow.handle_hash == handle_hash), now, transaction)

    def live_sessions(self, user_id: UUID, now: float) -> Sequence[SessionRow]:
        """The user's sessions that have not ended, the one used last first; at most MAX_LISTED."""
        live = _live(select(SessionRow), user_id, now, self._policy)
        by_use = live.order_by(SessionRow.last_used_at.desc(), SessionRow.created_at.desc(), SessionRow.id)
        return self._database.scalars(by_use.limit(MAX_LISTED)).all()

    def prune(self, before: float, limit: int) -> int:
        """Forgets at most `limit` sessions none of whose tokens was good after `before`; how many. Commits."""
        idle_since = before - self._policy.idle_lifetime
        is_dead = or_(SessionRow.expires_at < before, SessionRow.rotated_at < idle_since)
        dead = and_(is_dead, SessionRow.access_expires_at < before)
        gone = self._database.scalars(
            delete(SessionRow)
            .where(SessionRow.id.in_(select(SessionRow.id).where(dead).limit(limit)))
            .returning(SessionRow.id),
            execution_options=_UNSYNCHRONIZED,
        ).all()
        self._database.commit()
        return len(gone)

    def ended_early(self, moment: float) -> list[EndedSession]:
        """The sessions that have ended while an access token of theirs may be good at `moment`, the oldest first."""
        rows = self._database.execute(
            select(*_ENDED)
            .where(SessionRow.revoked_at >= moment - LONGEST_ACCESS_LIFETIME - COVER_SLACK)  # which has an index
            .where(SessionRow.access_expires_at >= moment)
            .order_by(SessionRow.revoked_at)
        )
        ended = [_ended_session(row) for row in rows]
        self._database.rollback()
        return ended

    def raise_seen(self, seen: Iterable[tuple[str, int]]) -> None:
        """Notes which generations were used; a row keeps the highest, and never one that it has not reached."""
        # Sorted, so that two reports of the same sessions cannot wait for each other.
        entries = [{"sid": sid, "seen": generation} for sid, generation in sorted(seen)]
        if entries:
            self._database.commit()  # gives the connection back
            self._commits.run(lambda connection: connection.execute(RAISE_SEEN, entries))

    def _swap(self, read: Session, changed: Session, now: float, decision: Decision) -> bool:
        """Compare-and-set: writes `changed` if the row is still the one that was read. One statement, then commit."""
        is_replay = isinstance(decision, Replay)
        replays = [end_of_session(read.sid, read.user_id, now, Reason.REPLAY)] if is_replay else []
        rows = self._trail.rows(*replays)
        state = changed.state
        values = {
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

        def write(connection: Connection) -> bool:
            is_swapped = connection.execute(SWAP, values).rowcount == 1
            if is_swapped:
                self._trail.write(rows, connection)
            return is_swapped

        is_swapped = self._commits.run(write)
        if is_swapped:
            self._trail.tell(*replays)
        return is_swapped

    def _execute(self, statement: Update) -> int:
        result = self._database.execute(statement, execution_options=_UNSYNCHRONIZED)
        if not isinstance(result, CursorResult):
            raise TypeError(f"an UPDATE gave a {type(result).__name__}")
        return result.rowcount


def records_of(ended: Iterable[EndedSession], reason: Reason) -> list[AuditRecord]:
    """What the audit trail says of these ends."""
    return [end_of_session(session.sid, session.user_id, session.ended_at, reason) for session in ended]


# Rows are changed in SQL and objects are not reused after it: there is nothing in memory to bring up to date.
_UNSYNCHRONIZED = {"synchronize_session": False}


_ENDED = (
    SessionRow.id,
    SessionRow.user_id,
    SessionRow.revoked_at,
    SessionRow.expires_at,
    SessionRow.access_expires_at,
)


def _end(statement: Update, now: float, transaction: Connection | Database) -> list[EndedSession]:
    statement = statement.where(SessionRow.revoked_at.is_(None)).values(revoked_at=now)
    rows = transaction.execute(
        statement.returning(*_ENDED),
        execution_options=_UNSYNCHRONIZED,
    )
    return [_ended_session(row) for row in rows]


_Selection = TypeVar("_Selection", bound=Select[Any])


def _live(statement: _Selection, user_id: UUID, now: float, policy: RefreshPolicy) -> _Selection:
    return statement.where(
        SessionRow.user_id == user_id,
        SessionRow.revoked_at.is_(None),
        SessionRow.expires_at > now,
        SessionRow.rotated_at > now - policy.idle_lifetime,
    )


def _ended_session(row: Any) -> EndedSession:
    return EndedSession(*row)


def _session(row: Any) -> Session:
    sid, user_id, generation, seen_generation, rotated_at, recent_rotations, *ends = row
    state = SessionState(generation, seen_generation, rotated_at, tuple(recent_rotations), *ends)
    return Session(sid, user_id, state)
