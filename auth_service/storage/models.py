"""Owns the tables: users, one row for each login, and the audit trail.

Moments are seconds since the epoch, as the tokens have them: what is computed from a row is then the same to the
bit whichever database keeps it.
"""

from uuid import UUID

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import JSON, BigInteger, Double, Index, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session

MAX_EMAIL = 254
MAX_FOLDED_EMAIL = 320
MAX_NAME = 150
MAX_ROLES = 255
MAX_DEVICE = 255

STAFF = "staff"
"""The role that sees and deletes every user."""


class Base(DeclarativeBase):
    """The tables of this service."""


Database = scoped_session[Session]
"""A database session of the current thread."""

db = SQLAlchemy(model_class=Base, disable_autonaming=True, session_options={"expire_on_commit": False})


class User(Base):
    """Somebody who may log in. `email` stands as it was given, `email_folded` is the key of its mailbox: unique."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(MAX_EMAIL))
    email_folded: Mapped[str] = mapped_column(String(MAX_FOLDED_EMAIL), unique=True)
    password_hash: Mapped[str] = mapped_column(Text)
    first_name: Mapped[str] = mapped_column(String(MAX_NAME), default="")
    last_name: Mapped[str] = mapped_column(String(MAX_NAME), default="")
    roles: Mapped[str] = mapped_column(String(MAX_ROLES), default="")
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[float] = mapped_column(Double)
    password_changed_at: Mapped[float] = mapped_column(Double)
    last_login_at: Mapped[float | None] = mapped_column(Double)

    @property
    def is_staff(self) -> bool:
        """Whether the role `staff` was granted."""
        return STAFF in self.roles.split()


class SessionRow(Base):
    """One login. `id` is the `sid` of its tokens; what the other columns mean for a refresh, sessions.py says."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    # No foreign key: a session outlives its user by an access token's life, so that its end can be published again.
    user_id: Mapped[UUID] = mapped_column(index=True)
    generation: Mapped[int] = mapped_column(default=0)
    seen_generation: Mapped[int] = mapped_column(default=0)
    rotated_at: Mapped[float] = mapped_column(Double)
    recent_rotations: Mapped[list[float]] = mapped_column(JSON, default=list)
    grace_began_at: Mapped[float] = mapped_column(Double, default=0.0)
    """The latest of `recent_rotations`, where a statement can compare it."""
    handle_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    """For sessions that a browser holds by an opaque handle."""
    created_at: Mapped[float] = mapped_column(Double)
    last_used_at: Mapped[float] = mapped_column(Double)
    expires_at: Mapped[float] = mapped_column(Double)
    """Absolute: no rotation moves it."""
    revoked_at: Mapped[float | None] = mapped_column(Double, index=True)
    access_expires_at: Mapped[float] = mapped_column(Double, default=0.0)
    """No access token of the session is good after it: so long its revocation has to be remembered."""
    device: Mapped[str] = mapped_column(String(MAX_DEVICE), default="")
    address: Mapped[str] = mapped_column(String(64), default="")


class AuditRow(Base):
    """Something that happened, for the account's owner to read. Outlives the user and the session it speaks of."""

    __tablename__ = "audit_events"
    __table_args__ = (Index("ix_audit_events_user_id_id", "user_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at: Mapped[float] = mapped_column(Double, index=True)
    event: Mapped[str] = mapped_column(String(32))
    user_id: Mapped[UUID | None]
    session: Mapped[str | None] = mapped_column(String(32))
    address: Mapped[str] = mapped_column(String(64), default="")
    device: Mapped[str] = mapped_column(String(MAX_DEVICE), default="")
    detail: Mapped[dict[str, str | int]] = mapped_column(JSON, default=dict)
