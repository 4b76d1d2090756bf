"""The database tables: notes, and the numbered changes of each owner's notes."""

from datetime import UTC, datetime
from uuid import UUID

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, DateTime, Dialect, Index, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class Base(DeclarativeBase):
    """The tables of this service."""


# Without expire_on_commit, a stored note is answered as it was stored, and not read again: another request may have
# deleted it by then.
db = SQLAlchemy(model_class=Base, disable_autonaming=True, session_options={"expire_on_commit": False})


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC. SQLite stores no time zone, so it is added when a value is read."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert `value` for the database."""
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert `value` from the database."""
        if value is None or value.tzinfo is not None:
            return value and value.astimezone(UTC)
        return value.replace(tzinfo=UTC)


class Note(Base):
    """A text with a title, which belongs to one owner, the subject of an identity."""

    __tablename__ = "notes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(255))  # OpenID Connect Core 2: a subject has at most 255 characters
    title: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    # For lists of one owner and of all owners, the newest first. The id orders notes of the same time.
    __table_args__ = (
        Index("ix_notes_owner_created_at_id", "owner", "created_at", "id"),
        Index("ix_notes_created_at_id", "created_at", "id"),
    )


class NoteCount(Base):
    """The number of changes of one owner's notes."""

    __tablename__ = "note_counts"

    owner: Mapped[str] = mapped_column(String(255), primary_key=True)
    changes: Mapped[int] = mapped_column(BigInteger)


class NoteChange(Base):
    """A change of one owner's notes. It has no foreign key, because a deleted note has changes as well."""

    __tablename__ = "note_changes"

    owner: Mapped[str] = mapped_column(String(255), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    note_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(10))
