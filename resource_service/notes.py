"""Owns the notes in SQL: each function is one question, or one statement and the record that it was made.

What changes a note names its owner in the same statement, so that a note that is not yours is, like one that does
not exist, simply not found.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Engine, Select, delete, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from resource_service.models import Note
from resource_service.note_changes import CHANGED, CREATED, DELETED, record_change

BATCH_SIZE = 100
"""Notes. A full one of the longest notes is some 4 MB."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which notes: those of `owner` (None: of everybody) with `search` in title or body ("" : all of them)."""

    owner: str | None
    search: str = ""


def add_note(session: Session, owner: str, fields: Mapping[str, str], now: datetime) -> Note:
    """The new note of `owner`, stored."""
    note = Note(id=uuid4(), owner=owner, created_at=now, updated_at=now, **fields)
    session.add(note)
    record_change(session, owner, note.id, CREATED)
    session.commit()
    return note


def find_note(session: Session, note_id: UUID, selection: Selection) -> Note | None:
    """The note `note_id`, if it is within `selection`."""
    return session.scalars(_select(selection).where(Note.id == note_id)).one_or_none()


def change_note(session: Session, note_id: UUID, owner: str, fields: Mapping[str, str], now: datetime) -> Note | None:
    """The note with its new `fields`, or None where `owner` has no such note. No fields, no change."""
    if not fields:
        return find_note(session, note_id, Selection(owner))
    changed = session.scalars(
        update(Note).where(Note.id == note_id, Note.owner == owner).values(**fields, updated_at=now).returning(Note)
    ).one_or_none()
    if changed is not None:
        record_change(session, owner, note_id, CHANGED)
    session.commit()
    return changed


def remove_note(session: Session, note_id: UUID, owner: str) -> bool:
    """Whether there was such a note of `owner`. There is none now."""
    removed = session.scalars(
        delete(Note).where(Note.id == note_id, Note.owner == owner).returning(Note.id)
    ).one_or_none()
    if removed is not None:
        record_change(session, owner, note_id, DELETED)
    session.commit()
    return removed is not None


def count_notes(session: Session, selection: Selection) -> int:
    """How many notes `selection` holds."""
    return session.scalars(select(func.count()).select_from(Note).where(*_conditions(selection))).one()


def newest_notes(session: Session, selection: Selection, *, offset: int, limit: int) -> Sequence[Note]:
    """At most `limit` notes of `selection`, newest first, `offset` notes in."""
    return session.scalars(_newest_first(selection).offset(offset).limit(limit)).all()


def in_batches(engine: Engine, selection: Selection, size: int = BATCH_SIZE) -> Iterator[Sequence[Note]]:
    """All notes of `selection`, newest first, at most `size` at a time.

    Each batch is a query of its own that starts after the last note read: memory stays flat, and a client that reads
    slowly holds no connection meanwhile. Notes that are written during the reading may be missed.
    """
    wanted = _newest_first(selection).limit(size)
    batch = _read(engine, wanted)
    while batch:
        yield batch
        last = batch[-1]
        batch = _read(engine, wanted.where(tuple_(Note.created_at, Note.id) < (last.created_at, last.id)))


def _read(engine: Engine, wanted: Select[Note]) -> Sequence[Note]:
    with Session(engine) as session:
        return session.scalars(wanted).all()


def _newest_first(selection: Selection) -> Select[Note]:
    return _select(selection).order_by(Note.created_at.desc(), Note.id.desc())


def _select(selection: Selection) -> Select[Note]:
    return select(Note).where(*_conditions(selection))


def _conditions(selection: Selection) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if selection.owner is not None:
        conditions.append(Note.owner == selection.owner)
    if selection.search:
        # autoescape: % and _ in what is searched for stand for themselves.
        conditions.append(
            or_(
                Note.title.icontains(selection.search, autoescape=True),
                Note.body.icontains(selection.search, autoescape=True),
            )
        )
    return conditions
