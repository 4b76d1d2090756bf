"""E-mail addresses are compared by mailbox: internationalized domains as DNS has them.

Of accounts that turn out to have one mailbox, one is found by every spelling. Each of the others keeps being found by
the spelling that it was registered with.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

from auth_service.email_addresses import email_key, own_key

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MAX_FOLDED_EMAIL = 320

users = sa.table(
    "users",
    sa.column("id", sa.Uuid()),
    sa.column("email", sa.String()),
    sa.column("email_folded", sa.String()),
    sa.column("created_at", sa.Double()),
)


def upgrade() -> None:
    connection = op.get_bind()
    found = connection.execute(sa.select(users).order_by(users.c.created_at, users.c.id)).all()
    changed = [row for row in found if email_key(row.email) != row.email_folded]
    taken = {row.email_folded for row in found} - {row.email_folded for row in changed}
    keys = {}
    for row in changed:
        key = email_key(row.email)
        if key in taken or len(key) > MAX_FOLDED_EMAIL:
            key = own_key(row.email)
        taken.add(key)
        keys[row.id] = key
    # In two steps: one account's new key may be another's old one.
    for step in (lambda row: f"moving:{row.id}", lambda row: keys[row.id]):
        for row in changed:
            connection.execute(users.update().where(users.c.id == row.id).values(email_folded=step(row)))


def downgrade() -> None:
    """Nothing: the older version finds an account by any key that its own folding gives, and no key is lost."""
