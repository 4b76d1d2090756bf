"""The statement that ends sessions, and the conditions that select sessions."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from auth_service.events.account_events import EndReason, SessionEnded
from auth_service.events.client import Client
from auth_service.sessions.refresh_policy import RefreshPolicy
from auth_service.sessions.store import Session
from auth_service.storage.models import SessionRow

_ENDED_COLUMNS = (SessionRow.user_id, SessionRow.id, SessionRow.expires_at, SessionRow.access_expires_at)


def end_sessions(
    connection: Connection, condition: ColumnElement[bool], now: float, reason: EndReason, client: Client
) -> Sequence[SessionEnded]:
    """End the sessions that match `condition` and have not ended, in one statement; return the events."""
    statement = (
        update(SessionRow)
        .where(condition, SessionRow.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(*_ENDED_COLUMNS)
    )
    return [
        SessionEnded(now, user_id, client, sid, reason, expires_at, access_expires_at)
        for user_id, sid, expires_at, access_expires_at in connection.execute(statement)
    ]


def sessions_of(user_id: UUID, *, keep: str | None = None) -> ColumnElement[bool]:
    """Return the condition for the sessions of a user except `keep`."""
    if keep is None:
        return SessionRow.user_id == user_id
    return and_(SessionRow.user_id == user_id, SessionRow.id != keep)


def live_sessions(now: float, policy: RefreshPolicy, user_id: UUID | None = None) -> ColumnElement[bool]:
    """Return the condition for live sessions; with `user_id`, for those of this user."""
    is_live = and_(
        SessionRow.revoked_at.is_(None),
        SessionRow.expires_at > now,
        SessionRow.rotated_at > now - policy.idle_lifetime,
    )
    return is_live if user_id is None else and_(SessionRow.user_id == user_id, is_live)


def surplus_sessions(newest: Session, now: float, policy: RefreshPolicy, max_sessions: int) -> ColumnElement[bool]:
    """Return the condition for the oldest live sessions that exceed `max_sessions`. `newest` is always kept."""
    surplus = (
        select(SessionRow.id)
        .where(live_sessions(now, policy, newest.user_id), SessionRow.id != newest.sid)
        .order_by(SessionRow.created_at.desc(), SessionRow.id)
        .offset(max_sessions - 1)
    )
    return SessionRow.id.in_(surplus)


def expired_sessions(before: float, policy: RefreshPolicy) -> ColumnElement[bool]:
    """Return the condition for the sessions whose tokens all expired before `before`."""
    is_expired = or_(SessionRow.expires_at < before, SessionRow.rotated_at < before - policy.idle_lifetime)
    return and_(is_expired, SessionRow.access_expires_at < before)
