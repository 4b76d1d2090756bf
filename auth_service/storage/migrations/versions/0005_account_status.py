"""Replace `is_active` by a status, and add the times of an address and the language of a user.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("status", sa.String(16), nullable=False, server_default="barred"))
    op.add_column("users", sa.Column("email_changed_at", sa.Double(), nullable=False, server_default="0"))
    op.add_column("users", sa.Column("email_verified_at", sa.Double(), nullable=True))
    op.add_column("users", sa.Column("language", sa.String(8), nullable=False, server_default=""))
    op.execute(
        "UPDATE users SET email_changed_at = created_at, status = CASE WHEN is_active THEN 'active' ELSE 'barred' END"
    )
    op.drop_column("users", "is_active")


def downgrade() -> None:
    op.add_column("users", sa.Column("is_active", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE users SET is_active = true WHERE status = 'active'")
    for name in ("language", "email_verified_at", "email_changed_at", "status"):
        op.drop_column("users", name)
