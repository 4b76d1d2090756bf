"""The tables: users, sessions, the audit trail, the outboxes of mails and webhooks, and the uses of signing keys.

Times are seconds since the epoch in double precision, so that every database returns exactly the stored value.
"""

from uuid import UUID

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import JSON, BigInteger, Double, Enum, Index, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session

from auth_service.accounts.email_addresses import MAX_EMAIL_KEY
from auth_service.accounts.user import MAX_EMAIL, MAX_LANGUAGE, MAX_NAME, MAX_ROLES, AccountStatus
from auth_service.events.client import MAX_ADDRESS, MAX_DEVICE
from auth_service.importing.imported_user import MAX_KEY, MAX_SOURCE
from auth_service.mail.outbox import MAX_ACCEPT_LANGUAGE


class Base(DeclarativeBase):
    """The base class of the tables of this service."""


Database = scoped_session[Session]
"""The type of `db.session`, a proxy for the SQLAlchemy session of the current application context."""

db = SQLAlchemy(model_class=Base, disable_autonaming=True, session_options={"expire_on_commit": False})


STATUS = Enum(
    AccountStatus, values_callable=lambda statuses: [str(each) for each in statuses], native_enum=False, length=16
)
"""The type of `users.status`: the value of an AccountStatus as text."""


class UserRow(Base):
    """A user. `email` is the address as entered; `email_folded` is its key (`email_key` or `legacy_key`)."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(MAX_EMAIL))
    email_folded: Mapped[str] = mapped_column(String(MAX_EMAIL_KEY), unique=True)
    password_hash: Mapped[str] = mapped_column(Text)
    first_name: Mapped[str] = mapped_column(String(MAX_NAME), default="")
    last_name: Mapped[str] = mapped_column(String(MAX_NAME), default="")
    roles: Mapped[str] = mapped_column(String(MAX_ROLES), default="")
    status: Mapped[AccountStatus] = mapped_column(STATUS, default=AccountStatus.ACTIVE)
    created_at: Mapped[float] = mapped_column(Double)
    password_changed_at: Mapped[float] = mapped_column(Double)
    email_changed_at: Mapped[float] = mapped_column(Double, default=0.0)
    """The time of the registration until the address changes."""
    email_verified_at: Mapped[float | None] = mapped_column(Double)
    language: Mapped[str] = mapped_column(String(MAX_LANGUAGE), default="")
    last_login_at: Mapped[float | None] = mapped_column(Double)


class SessionRow(Base):
    """A session. `id` is the `sid` of its tokens. sessions/refresh_policy.py explains the columns of a refresh."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    # No foreign key: the row of a deleted user is kept until its tokens expire, to publish its end again.
    user_id: Mapped[UUID] = mapped_column(index=True)
    generation: Mapped[int] = mapped_column(default=0)
    seen_generation: Mapped[int] = mapped_column(default=0)
    rotated_at: Mapped[float] = mapped_column(Double)
    recent_rotations: Mapped[list[float]] = mapped_column(JSON, default=list)
    grace_began_at: Mapped[float] = mapped_column(Double, default=0.0)
    """The last of `recent_rotations`, or 0, in a column of its own so that SQL can compare it."""
    handle_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    """SHA-256 of the handle of a browser session, in hexadecimal digits."""
    created_at: Mapped[float] = mapped_column(Double)
    last_used_at: Mapped[float] = mapped_column(Double)
    authenticated_at: Mapped[float] = mapped_column(Double, default=0.0)
    """When the user last entered the password in this session; 0 if never, as after a token exchange."""
    expires_at: Mapped[float] = mapped_column(Double)
    """The absolute end of the session. A rotation does not change it."""
    revoked_at: Mapped[float | None] = mapped_column(Double, index=True)
    access_expires_at: Mapped[float] = mapped_column(Double, default=0.0)
    """By then every access token of the session has expired. A revocation is published until then."""
    device: Mapped[str] = mapped_column(String(MAX_DEVICE), default="")
    address: Mapped[str] = mapped_column(String(MAX_ADDRESS), default="")


class AuditRow(Base):
    """An audit record. It is kept when its user or its session is deleted."""

    __tablename__ = "audit_events"
    __table_args__ = (Index("ix_audit_events_user_id_id", "user_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at: Mapped[float] = mapped_column(Double, index=True)
    event: Mapped[str] = mapped_column(String(32))
    user_id: Mapped[UUID | None]
    session: Mapped[str | None] = mapped_column(String(32))
    address: Mapped[str] = mapped_column(String(MAX_ADDRESS), default="")
    device: Mapped[str] = mapped_column(String(MAX_DEVICE), default="")
    detail: Mapped[dict[str, str | int]] = mapped_column(JSON, default=dict)


class MailRow(Base):
    """A mail that waits to be sent, or that was given up. A mail that was sent has no row."""

    __tablename__ = "mail_outbox"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """Random. The Message-ID contains it, so a mail that arrives twice can be recognized."""
    kind: Mapped[str] = mapped_column(String(32))
    email: Mapped[str] = mapped_column(Text)
    accept_language: Mapped[str] = mapped_column(String(MAX_ACCEPT_LANGUAGE))
    context: Mapped[dict[str, str]] = mapped_column(JSON)
    created_at: Mapped[float] = mapped_column(Double)
    attempts: Mapped[int] = mapped_column(default=0)
    """Attempts that failed."""
    due_at: Mapped[float | None] = mapped_column(Double, index=True)
    """When the next attempt or the end of the claim is due; None if the mail was given up."""
    failed_at: Mapped[float | None] = mapped_column(Double, index=True)
    """When the mail was given up."""


class WebhookDeliveryRow(Base):
    """A webhook for one endpoint: it waits to be sent, or it is an entry of the log."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("ix_webhook_deliveries_endpoint_due_at", "endpoint", "due_at"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    message_id: Mapped[str] = mapped_column(String(64), index=True)
    type: Mapped[str] = mapped_column(String(64))
    endpoint: Mapped[str] = mapped_column(String(64))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[float] = mapped_column(Double, index=True)
    status: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(default=0)
    """Attempts since the message was added or replayed. Of a pending delivery, all of them failed."""
    due_at: Mapped[float | None] = mapped_column(Double)
    """When the next attempt or the end of the claim is due; None unless it is pending."""
    last_attempt_at: Mapped[float | None] = mapped_column(Double)
    status_code: Mapped[int | None]
    detail: Mapped[str] = mapped_column(Text, default="")


class WebhookEndpointRow(Base):
    """An endpoint whose last attempt failed, or that is disabled. An endpoint that works has no row."""

    __tablename__ = "webhook_endpoints"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    failing_since: Mapped[float] = mapped_column(Double)
    disabled_at: Mapped[float | None] = mapped_column(Double)
    reason: Mapped[str] = mapped_column(Text, default="")


class ImportedUserRow(Base):
    """A user of another system who was imported. The row remains when the user is deleted, so it is not repeated."""

    __tablename__ = "imported_users"

    source: Mapped[str] = mapped_column(String(MAX_SOURCE), primary_key=True)
    source_key: Mapped[str] = mapped_column(String(MAX_KEY), primary_key=True)
    """The id of the user in the source."""
    user_id: Mapped[UUID] = mapped_column(index=True)
    imported_at: Mapped[float] = mapped_column(Double)
    tokens_refused_until: Mapped[float] = mapped_column(Double, default=0.0)
    """Tokens of the source that were issued at this time or before are refused: the user's sessions were ended."""


class SigningKeyRow(Base):
    """A key that a process has signed access tokens with."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    tokens_expire_at: Mapped[float] = mapped_column(Double)
    """By then every access token that the key has signed has expired."""


class ForeignTokenRow(Base):
    """A token of another system that is not accepted as a new one: it was exchanged for a session, or blacklisted."""

    __tablename__ = "foreign_tokens"

    sid: Mapped[str] = mapped_column(String(32), primary_key=True)
    """The id of its session, which is derived from its `jti`."""
    expires_at: Mapped[float] = mapped_column(Double, index=True)
