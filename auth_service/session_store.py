"""Owns the sessions table: every change is one statement that says what it expects to find.

SQL is the record. When it fails, SQLAlchemy's errors pass through: nothing was changed and no token is handed out.
Nothing is read under a lock and written afterwards: whoever loses a race reads again and decides again.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, Select, Update, insert, select, update
from sqlalchemy.orm import Session as DatabaseSession
from sqlalchemy.orm import scoped_session

from auth_service.models import MAX_DEVICE, SessionRow
from auth_service.sessions import Decision, RefreshPolicy, SessionState, after, decide

Database = scoped_session[DatabaseSession]

_ATTEMPTS = 32
"""A lost race means that somebody else's statement changed the row; 32 in a row are not seen in practice."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it stood when it was read."""

    sid: str
    user_id: UUID
    state: SessionState


@dataclass(frozen=True, slots=True)
class Client:
    """Who opens a session: the User-Agent and the address, as the owner will see them listed."""

    device: str
    address: str


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session that has ended: whose it was, when it ended, and until when its tokens would have lived."""

    sid: str
    user_id: UUID
    ended_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What became of a refresh: the decision, and the session after it."""

    decision: Decision
    session: Session


class RaceNotWon(Exception):
    """The row changed under every attempt. Nothing was changed by us; try again."""


class SessionStore:
    """The sessions in SQL. Every method that writes commits, but for `open` and `end_all`, which say so."""

    def __init__(self, database: Database, policy: RefreshPolicy) -> None:
        self._database = database
        self._policy = policy

    def open(self, user_id: UUID, client: Client, *, now: float, lifetime: float) -> Session:
        """A new session, `lifetime` seconds long at most. Part of the caller's transaction."""
        session = Session(
            secrets.token_hex(16), user_id, SessionState(0, 0, now, (), expires_at=now + lifetime, revoked_at=None)
        )
        row = {
            "id": session.sid,
            "user_id": user_id,
            "generation": 0,
            "seen_generation": 0,
            "rotated_at": now,
            "recent_rotations": [],
            "created_at": now,
            "last_used_at": now,
            "expires_at": session.state.expires_at,
            "device": client.device[:MAX_DEVICE],
            "address": client.address,
        }
        self._database.execute(insert(SessionRow).values(row))
        return session

    def find(self, sid: str) -> Session | None:
        """The session `sid`, ended or not."""
        row = self._database.execute(_select_session().where(SessionRow.id == sid)).one_or_none()
        return _session(row) if row else None

    def refresh(self, sid: str, user_id: UUID, presented: int, now: float) -> Refreshed | None:
        """Decides on a refresh token of generation `presented` and records it; None where there is no such session.

        Raises RaceNotWon.
        """
        for _ in range(_ATTEMPTS):
            session = self.find(sid)
            if session is None or session.user_id != user_id:
                return None
            decision = decide(session.state, presented, now, self._policy)
            changed = replace(session, state=after(session.state, decision, now, self._policy))
            if changed == session or self._swap(session, changed, now):
                return Refreshed(decision, changed)
        raise RaceNotWon

    def end(self, sid: str, now: float) -> EndedSession | None:
        """Ends the session; None where it had ended before."""
        ended = self._end(update(SessionRow).where(SessionRow.id == sid), now)
        self._database.commit()
        return ended[0] if ended else None

    def end_all(self, user_id: UUID, now: float, *, keep: str | None = None) -> list[EndedSession]:
        """Ends every session of the user but `keep`. Part of the caller's transaction."""
        statement = update(SessionRow).where(SessionRow.user_id == user_id)
        if keep is not None:
            statement = statement.where(SessionRow.id != keep)
        return self._end(statement, now)

    def ended_since(self, moment: float) -> list[EndedSession]:
        """The sessions that ended at `moment` or later, the oldest first."""
        rows = self._database.execute(
            select(SessionRow.id, SessionRow.user_id, SessionRow.revoked_at, SessionRow.expires_at)
            .where(SessionRow.revoked_at >= moment)
            .order_by(SessionRow.revoked_at)
        )
        ended = [_ended_session(row) for row in rows]
        self._database.rollback()
        return ended

    def raise_seen(self, seen: Iterable[tuple[str, int]]) -> None:
        """Notes which generations were used; a row keeps the highest, and never one that it has not reached."""
        # Sorted, so that two reports of the same sessions cannot wait for each other.
        for sid, generation in sorted(seen):
            self._execute(
                update(SessionRow)
                .where(SessionRow.id == sid, SessionRow.seen_generation < generation)
                .where(SessionRow.generation >= generation)
                .values(seen_generation=generation)
            )
        self._database.commit()

    def _swap(self, read: Session, changed: Session, now: float) -> bool:
        """Compare-and-set: writes `changed` if the row is still the one that was read. One statement, then commit."""
        count = self._execute(
            update(SessionRow)
            .where(
                SessionRow.id == read.sid,
                SessionRow.generation == read.state.generation,
                SessionRow.seen_generation == read.state.seen_generation,
                SessionRow.revoked_at.is_(None),
                SessionRow.expires_at > now,
            )
            .values(
                generation=changed.state.generation,
                seen_generation=changed.state.seen_generation,
                rotated_at=changed.state.rotated_at,
                recent_rotations=list(changed.state.recent_rotations),
                revoked_at=changed.state.revoked_at,
                last_used_at=now,
            )
        )
        self._database.commit()
        return count == 1

    def _end(self, statement: Update, now: float) -> list[EndedSession]:
        statement = statement.where(SessionRow.revoked_at.is_(None)).values(revoked_at=now)
        rows = self._database.execute(
            statement.returning(SessionRow.id, SessionRow.user_id, SessionRow.revoked_at, SessionRow.expires_at),
            execution_options={"synchronize_session": False},
        )
        return [_ended_session(row) for row in rows]

    def _execute(self, statement: Update) -> int:
        result = self._database.execute(statement, execution_options={"synchronize_session": False})
        if not isinstance(result, CursorResult):
            raise TypeError(f"an UPDATE gave a {type(result).__name__}")
        return result.rowcount


def _select_session() -> Select[str, UUID, int, int, float, list[float], float, float | None]:
    return select(
        SessionRow.id,
        SessionRow.user_id,
        SessionRow.generation,
        SessionRow.seen_generation,
        SessionRow.rotated_at,
        SessionRow.recent_rotations,
        SessionRow.expires_at,
        SessionRow.revoked_at,
    )


def _ended_session(row: Any) -> EndedSession:
    return EndedSession(*row)


def _session(row: Any) -> Session:
    sid, user_id, generation, seen_generation, rotated_at, recent_rotations, expires_at, revoked_at = row
    state = SessionState(generation, seen_generation, rotated_at, tuple(recent_rotations), expires_at, revoked_at)
    return Session(sid, user_id, state)
