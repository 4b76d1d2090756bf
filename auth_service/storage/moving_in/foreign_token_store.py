"""The store of other systems' tokens in SQL.

A token and the end of all sessions of its user never pass each other: both change the user's row in `imported_users`
first, and so wait for each other.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Engine, delete, exists, func, insert, select, update

from auth_service.accounts.user import AccountStatus
from auth_service.events.account_events import Event, SessionMovedIn
from auth_service.events.client import MAX_DEVICE, Client
from auth_service.sessions.foreign_tokens import ForeignToken
from auth_service.sessions.store import Session
from auth_service.storage.models import ForeignTokenRow, ImportedUserRow, SessionRow, UserRow
from auth_service.storage.prepared_statement import PreparedStatement
from auth_service.storage.transactions import Transactions

_USE = PreparedStatement(
    "INSERT INTO foreign_tokens (sid, expires_at) VALUES (:sid, :expires_at) ON CONFLICT (sid) DO NOTHING"
)
"""Insert a token unless it was exchanged or blacklisted before."""


class SqlForeignTokenStore:
    """Tokens of other systems in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine, transactions: Transactions) -> None:
        self._engine = engine
        self._transactions = transactions

    def find_user(self, token: ForeignToken) -> UUID | None:
        """Return the id of the token's user."""
        with self._engine.connect() as connection:
            return connection.scalar(select(ImportedUserRow.user_id).where(_is_user_of(token)))

    def is_refused(self, token: ForeignToken) -> bool:
        """Return whether the token was exchanged or blacklisted, or issued before its user's sessions were ended."""
        is_accepted = exists().where(_is_user_of(token), ImportedUserRow.tokens_refused_until < token.issued_at)
        is_used = exists().where(ForeignTokenRow.sid == token.sid)
        with self._engine.connect() as connection:
            return not connection.scalar(select(is_accepted & ~is_used))

    def open(self, token: ForeignToken, session: Session, client: Client, *, is_recorded: bool) -> bool:
        """Store the session for a token, in one transaction."""
        is_active = exists().where(UserRow.id == ImportedUserRow.user_id, UserRow.status == AccountStatus.ACTIVE)
        # Changes nothing. It locks the row, and holds only if no end of all sessions has passed.
        lock = (
            update(ImportedUserRow)
            .where(_is_user_of(token), ImportedUserRow.tokens_refused_until < token.issued_at, is_active)
            .values(user_id=ImportedUserRow.user_id)
        )
        use = {"sid": token.sid, "expires_at": token.expires_at}

        def write(connection: Connection) -> tuple[bool, Sequence[Event]]:
            if not connection.execute(lock).rowcount or not _USE.change(connection, use):
                return False, ()
            connection.execute(insert(SessionRow).values(_values(session, client)))
            event = SessionMovedIn(session.state.rotated_at, session.user_id, client, session.sid)
            return True, (event,) if is_recorded else ()

        return self._transactions.record(write)

    def prune(self, before: float, limit: int) -> int:
        """Delete at most `limit` tokens that expired before `before`; return how many."""
        expired = select(ForeignTokenRow.sid).where(ForeignTokenRow.expires_at < before).limit(limit)
        statement = delete(ForeignTokenRow).where(ForeignTokenRow.sid.in_(expired))
        return self._transactions.run(lambda connection: connection.execute(statement).rowcount)


def refuse_foreign_tokens(connection: Connection, user_id: UUID, now: float) -> None:
    """Refuse the tokens of other systems that were issued for the user until `now`. Call it before sessions end."""
    newer = func.max if connection.dialect.name == "sqlite" else func.greatest
    connection.execute(
        update(ImportedUserRow)
        .where(ImportedUserRow.user_id == user_id)
        .values(tokens_refused_until=newer(ImportedUserRow.tokens_refused_until, now))
    )


def _is_user_of(token: ForeignToken) -> ColumnElement[bool]:
    return (ImportedUserRow.source == token.source) & (ImportedUserRow.source_key == token.user_key)


def _values(session: Session, client: Client) -> dict[str, Any]:
    now = session.state.rotated_at
    return {
        "id": session.sid,
        "user_id": session.user_id,
        "rotated_at": now,
        "created_at": now,
        "last_used_at": now,
        "expires_at": session.state.expires_at,
        "access_expires_at": session.state.access_expires_at,
        "recent_rotations": [],
        "device": client.device[:MAX_DEVICE],
        "address": client.address,
    }
