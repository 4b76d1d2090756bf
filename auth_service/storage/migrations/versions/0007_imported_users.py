"""Add the users that were imported from other systems, and the tokens of these systems that are used up.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "imported_users",
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("source_key", sa.String(255), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("imported_at", sa.Double(), nullable=False),
        sa.Column("tokens_refused_until", sa.Double(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("source", "source_key"),
    )
    op.create_index("ix_imported_users_user_id", "imported_users", ["user_id"])
    op.create_table(
        "foreign_tokens",
        sa.Column("sid", sa.String(32), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("sid"),
    )
    op.create_index("ix_foreign_tokens_expires_at", "foreign_tokens", ["expires_at"])


def downgrade() -> None:
    op.drop_table("foreign_tokens")
    op.drop_table("imported_users")
