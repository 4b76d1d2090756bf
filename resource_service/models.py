"""Owns the tables: what of a note is stored, and in which order it can be read quickly."""

from datetime import UTC, datetime
from uuid import UUID

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, DateTime, Dialect, Index, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class Base(DeclarativeBase):
    """The tables of this service."""


# A note that was stored is shown as it was stored, not read again: by then somebody may have deleted it.
db = SQLAlchemy(model_class=Base, disable_autonaming=True, session_options={"expire_on_commit": False})


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC. SQLite keeps no zone, so the zone is put back on what it returns."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The moment as the database takes it."""
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The moment as the service reads it."""
        if value is None or value.tzinfo is not None:
            return value and value.astimezone(UTC)
        return value.replace(tzinfo=UTC)


class Note(Base):
    """A text with a title, which belongs to one subject."""

    __tablename__ = "notes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(255))  # OpenID Connect Core 2: a subject has at most 255 characters
    title: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    # Newest first within an owner, and newest first over all; the id settles the order of two of one moment.
    __table_args__ = (
        Index("ix_notes_owner_created_at_id", "owner", "created_at", "id"),
        Index("ix_notes_created_at_id", "created_at", "id"),
    )


class NoteCount(Base):
    """How many changes one owner's notes have seen."""

    __tablename__ = "note_counts"

    owner: Mapped[str] = mapped_column(String(255), primary_key=True)
    changes: Mapped[int] = mapped_column(BigInteger)


class NoteChange(Base):
    """A change of one owner's notes. No foreign key: a note that was deleted has one, too."""

    __tablename__ = "note_changes"

    owner: Mapped[str] = mapped_column(String(255), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    note_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(10))
