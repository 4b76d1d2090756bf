"""Add the time at which the last access token of a session expires.

Revision ID: 0003
Revises: 0002
"""

import time

import sqlalchemy as sa
from alembic import op

from contract.claims import LONGEST_ACCESS_LIFETIME

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("access_expires_at", sa.Double(), nullable=False, server_default="0"))
    # Every access token that has been issued so far expires by `latest`.
    latest = time.time() + LONGEST_ACCESS_LIFETIME
    op.execute(sa.text("UPDATE sessions SET access_expires_at = :latest").bindparams(latest=latest))


def downgrade() -> None:
    op.drop_column("sessions", "access_expires_at")
