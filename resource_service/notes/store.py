"""Read and write notes in the database. A change of a note and its record in note_changes are one transaction.

Every UPDATE and DELETE also compares the owner, so that no user can change the note of another.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Engine, Select, delete, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from resource_service.notes.changes import CHANGED, CREATED, DELETED, record_change
from resource_service.notes.database_models import Note

BATCH_SIZE = 100
"""Number of notes that one query of an export reads. A batch of the longest notes takes about 4 MB."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The notes of `owner`, or of all owners if None, with `search` in title or body ("" selects all)."""

    owner: str | None
    search: str = ""


def add_note(session: Session, owner: str, fields: Mapping[str, str], now: datetime) -> Note:
    """Store and return a new note of `owner`."""
    note = Note(id=uuid4(), owner=owner, created_at=now, updated_at=now, **fields)
    session.add(note)
    record_change(session, owner, note.id, CREATED)
    session.commit()
    return note


def find_note(session: Session, note_id: UUID, selection: Selection) -> Note | None:
    """Return the note `note_id` if `selection` contains it."""
    return session.scalars(_select(selection).where(Note.id == note_id)).one_or_none()


def change_note(session: Session, note_id: UUID, owner: str, fields: Mapping[str, str], now: datetime) -> Note | None:
    """Change and return the note. Return None if `owner` has no such note. Without `fields`, nothing changes."""
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
    """Delete the note. Return False if `owner` has no such note."""
    removed = session.scalars(
        delete(Note).where(Note.id == note_id, Note.owner == owner).returning(Note.id)
    ).one_or_none()
    if removed is not None:
        record_change(session, owner, note_id, DELETED)
    session.commit()
    return removed is not None


def count_notes(session: Session, selection: Selection) -> int:
    """Return the number of notes in `selection`."""
    return session.scalars(select(func.count()).select_from(Note).where(*_conditions(selection))).one()


def newest_notes(session: Session, selection: Selection, *, offset: int, limit: int) -> Sequence[Note]:
    """Return at most `limit` notes of `selection`, the newest first, without the first `offset` notes."""
    return session.scalars(_newest_first(selection).offset(offset).limit(limit)).all()


def iterate_batches(engine: Engine, selection: Selection, size: int = BATCH_SIZE) -> Iterator[Sequence[Note]]:
    """Yield all notes of `selection`, the newest first, at most `size` at a time.

    Each batch is a query of its own that starts after the last note of the previous batch. So memory use is constant,
    and no database connection is held while a slow client receives a batch. Notes that are created or deleted during
    the export may be missing.
    """
    query = _newest_first(selection).limit(size)
    batch = _read(engine, query)
    while batch:
        yield batch
        last = batch[-1]
        batch = _read(engine, query.where(tuple_(Note.created_at, Note.id) < (last.created_at, last.id)))


def _read(engine: Engine, query: Select[Note]) -> Sequence[Note]:
    with Session(engine) as session:
        return session.scalars(query).all()


def _newest_first(selection: Selection) -> Select[Note]:
    return _select(selection).order_by(Note.created_at.desc(), Note.id.desc())


def _select(selection: Selection) -> Select[Note]:
    return select(Note).where(*_conditions(selection))


def _conditions(selection: Selection) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if selection.owner is not None:
        conditions.append(Note.owner == selection.owner)
    if selection.search:
        # autoescape: % and _ in the search text match literally.
        conditions.append(
            or_(
                Note.title.icontains(selection.search, autoescape=True),
                Note.body.icontains(selection.search, autoescape=True),
            )
        )
    return conditions
