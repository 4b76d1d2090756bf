"""Compare e-mail addresses by mailbox, with internationalized domains in their DNS form.

If several accounts have one mailbox, each is found by the spellings that found it before, and one of them by all
others.

Revision ID: 0004
Revises: 0003
"""

from uuid import UUID

import sqlalchemy as sa
from alembic import op

from auth_service.accounts.email_addresses import email_key, legacy_key

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MAX_FOLDED_EMAIL = 320
"""Characters of the column `email_folded`. A migration does not change when a constant of the service changes."""
STREAMED = {"yield_per": 1_000}
"""Rows are fetched in parts, so that memory does not grow with the number of users."""

users = sa.table(
    "users",
    sa.column("id", sa.Uuid()),
    sa.column("email", sa.String()),
    sa.column("email_folded", sa.String()),
    sa.column("created_at", sa.Double()),
)


def upgrade() -> None:
    connection = op.get_bind()
    found = connection.execute(sa.select(users).order_by(users.c.created_at, users.c.id), execution_options=STREAMED)
    changed = [row for row in found if email_key(row.email) != row.email_folded]
    # In two steps: the new key of an account may be the old key of another.
    for row in changed:
        _set_key(connection, row.id, f"moving:{row.id}")
    for row in changed:
        key = email_key(row.email)
        is_taken = connection.execute(sa.select(users.c.id).where(users.c.email_folded == key)).first()
        _set_key(connection, row.id, legacy_key(row.email) if is_taken or len(key) > MAX_FOLDED_EMAIL else key)


def _set_key(connection: sa.Connection, user_id: UUID, key: str) -> None:
    connection.execute(users.update().where(users.c.id == user_id).values(email_folded=key))


def downgrade() -> None:
    """Keep the keys. The older version may not find the accounts whose keys the upgrade changed."""
