"""Add the outbox of mails that wait to be sent.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mail_outbox",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("accept_language", sa.String(100), nullable=False),
        sa.Column("context", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=True),
        sa.Column("failed_at", sa.Double(), nullable=True),
    )
    op.create_index("ix_mail_outbox_due_at", "mail_outbox", ["due_at"])
    op.create_index("ix_mail_outbox_failed_at", "mail_outbox", ["failed_at"])


def downgrade() -> None:
    op.drop_table("mail_outbox")
