"""The changes of notes, numbered for each owner.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "note_counts",
        sa.Column("owner", sa.String(255), primary_key=True),
        sa.Column("changes", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "note_changes",
        sa.Column("owner", sa.String(255), primary_key=True),
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("note_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("note_changes")
    op.drop_table("note_counts")
