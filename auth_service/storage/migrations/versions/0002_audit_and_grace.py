"""Add the audit trail, and the time when a session's grace time last began, which a refresh compares in SQL.

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
        "audit_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("session", sa.String(32), nullable=True),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("device", sa.String(255), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
    )
    op.create_index("ix_audit_events_user_id_id", "audit_events", ["user_id", "id"])
    op.create_index("ix_audit_events_at", "audit_events", ["at"])
    op.add_column("sessions", sa.Column("grace_began_at", sa.Double(), nullable=False, server_default="0"))
    # A grace time cannot have begun after the last use, so this shortens none.
    op.execute("UPDATE sessions SET grace_began_at = last_used_at")


def downgrade() -> None:
    op.drop_column("sessions", "grace_began_at")
    op.drop_table("audit_events")
