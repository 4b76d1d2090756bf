"""The database models: notes, and the numbered changes of each owner's notes."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from resource_service.database import Base, UtcDateTime


class Note(Base):
    """A text with a title. Its owner is the subject of an identity."""

    __tablename__ = "notes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(255))  # OpenID Connect Core 2: a subject has at most 255 characters
    title: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    # One index for lists of one owner, one for lists of all owners. The id orders notes with the same created_at.
    __table_args__ = (
        Index("ix_notes_owner_created_at_id", "owner", "created_at", "id"),
        Index("ix_notes_created_at_id", "created_at", "id"),
    )


class ChangeCounter(Base):
    """The number of changes of one owner's notes so far."""

    __tablename__ = "note_counts"

    owner: Mapped[str] = mapped_column(String(255), primary_key=True)
    changes: Mapped[int] = mapped_column(BigInteger)


class NoteChange(Base):
    """A change of one of the owner's notes.

    It has no foreign key to notes, because the changes of a deleted note are kept.
    """

    __tablename__ = "note_changes"

    owner: Mapped[str] = mapped_column(String(255), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    note_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(10))
