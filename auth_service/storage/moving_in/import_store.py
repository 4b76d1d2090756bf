"""The import store in SQL: imported users, blacklisted tokens of other systems, and the export."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError

from auth_service.accounts.foreign_hashes.decoys import HashSample
from auth_service.importing.batch import BatchResult, Stored, decide_batch, mailboxes_of
from auth_service.importing.imported_user import ImportedUser
from auth_service.importing.source_row import BlacklistedToken
from auth_service.importing.store import ExportedUser
from auth_service.sessions.foreign_tokens import foreign_sid
from auth_service.storage.models import ForeignTokenRow, ImportedUserRow, UserRow
from auth_service.store_errors import StoreUnavailable
from contract.claims import REFRESH

_MAX_ATTEMPTS = 3
"""Attempts of a batch. One fails if a user registers with a mailbox of the batch in the same moment."""

_PAGE = 1_000
"""Users that one query of the export returns."""

_EXPORTED = (
    UserRow.id,
    UserRow.email,
    UserRow.password_hash,
    UserRow.first_name,
    UserRow.last_name,
    UserRow.roles,
    UserRow.status,
    UserRow.created_at,
    UserRow.last_login_at,
    UserRow.email_verified_at,
    UserRow.language,
)


class SqlImportStore:
    """Imports into SQLite or PostgreSQL, and exports from it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def import_batch(
        self, source: str, users: Sequence[ImportedUser], now: float, *, is_dry_run: bool
    ) -> BatchResult:
        """Store users in one transaction. A dry run stores nothing."""
        for _ in range(_MAX_ATTEMPTS):
            try:
                with self._engine.begin() as connection:
                    return _import(connection, source, users, now, is_dry_run=is_dry_run)
            except IntegrityError:
                continue
        raise StoreUnavailable("another process writes the same users")

    def add_blacklisted_tokens(self, tokens: Sequence[BlacklistedToken]) -> int:
        """Store blacklisted refresh tokens in one transaction. Return how many were new."""
        rows = [{"sid": foreign_sid(REFRESH, token.jti), "expires_at": token.expires_at} for token in tokens]
        add = sqlite_insert if self._engine.dialect.name == "sqlite" else postgresql_insert
        statement = add(ForeignTokenRow).on_conflict_do_nothing()
        with self._engine.begin() as connection:
            _lock(connection)
            sids = [row["sid"] for row in rows]
            known = set(connection.scalars(select(ForeignTokenRow.sid).where(ForeignTokenRow.sid.in_(sids))))
            connection.execute(statement, rows)
        return len(set(sids) - known)

    def hash_sample(self, size: int) -> HashSample:
        """Return the hashes of at most `size` imported users."""
        users = select(UserRow.password_hash).join(ImportedUserRow, ImportedUserRow.user_id == UserRow.id)
        with self._engine.connect() as connection:
            # The ids are random or hashes, so the first ones are a random choice.
            hashes = connection.scalars(users.order_by(ImportedUserRow.user_id).limit(size)).all()
            if not hashes:
                return HashSample()
            imported = connection.scalar(select(func.count()).select_from(ImportedUserRow)) or 0
            accounts = connection.scalar(select(func.count()).select_from(UserRow)) or 0
        return HashSample(hashes, imported, accounts)

    def exported_users(self) -> Iterator[ExportedUser]:
        """Yield every user in the order of the ids."""
        statement = select(*_EXPORTED).order_by(UserRow.id).limit(_PAGE)
        page = statement
        while True:
            with self._engine.connect() as connection:
                rows = connection.execute(page).all()
                sources = _sources_of(connection, [row[0] for row in rows])
            yield from (ExportedUser(str(row[0]), *row[1:], sources.get(row[0], ())) for row in rows)
            if len(rows) < _PAGE:
                return
            page = statement.where(UserRow.id > rows[-1][0])


def _sources_of(connection: Connection, user_ids: Sequence[UUID]) -> dict[UUID, list[tuple[str, str]]]:
    links = select(ImportedUserRow.user_id, ImportedUserRow.source, ImportedUserRow.source_key)
    found: dict[UUID, list[tuple[str, str]]] = {}
    for user_id, source, key in connection.execute(links.where(ImportedUserRow.user_id.in_(user_ids))):
        found.setdefault(user_id, []).append((source, key))
    return found


def _import(
    connection: Connection, source: str, users: Sequence[ImportedUser], now: float, *, is_dry_run: bool
) -> BatchResult:
    if not is_dry_run:
        _lock(connection)
    result = decide_batch(users, _stored(connection, source, users))
    if result.new and not is_dry_run:
        connection.execute(insert(UserRow), [_user_values(user, now) for user in result.new])
        links = [
            {"source": source, "source_key": user.key, "user_id": user.user_id, "imported_at": now}
            for user in result.new
        ]
        connection.execute(insert(ImportedUserRow), links)
    return result


def _lock(connection: Connection) -> None:
    """Let one import write at a time, from before it reads until it commits."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE imported_users IN SHARE ROW EXCLUSIVE MODE"))
    else:
        # Begins a write transaction (chassis/sql/sqlite_connection.py) and changes nothing.
        connection.execute(text("DELETE FROM imported_users WHERE source = ''"))


def _stored(connection: Connection, source: str, users: Sequence[ImportedUser]) -> Stored:
    mailboxes = [mailbox for user in users for mailbox in mailboxes_of(user)]
    keys = select(ImportedUserRow.source_key).where(
        ImportedUserRow.source == source, ImportedUserRow.source_key.in_([user.key for user in users])
    )
    return Stored(
        set(connection.scalars(keys)),
        set(connection.scalars(select(UserRow.email_folded).where(UserRow.email_folded.in_(mailboxes)))),
        set(connection.scalars(select(UserRow.id).where(UserRow.id.in_([user.user_id for user in users])))),
    )


def _user_values(user: ImportedUser, now: float) -> dict[str, Any]:
    return {
        "id": user.user_id,
        "email": user.email,
        "email_folded": user.email_key,
        "password_hash": user.password_hash,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "roles": user.roles,
        "status": user.status,
        "created_at": user.created_at,
        "password_changed_at": user.created_at,
        "email_changed_at": user.created_at,
        "email_verified_at": user.email_verified_at,
        "last_login_at": user.last_login_at,
        "language": user.language,
    }
