"""Add the time at which the user of a session last entered the password. Sessions that exist count as never.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("authenticated_at", sa.Double(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("sessions", "authenticated_at")
