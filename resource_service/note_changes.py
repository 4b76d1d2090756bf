"""The numbered changes of each owner's notes, which event streams read.

The number comes from a row that a change locks until it is committed. So changes become visible in the order of their
numbers, and a reader that has read up to a number has missed nothing before it. A database sequence does not
guarantee this: number 6 can be visible before number 5.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Engine, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from resource_service.database_models import Note, NoteChange, NoteCount

CREATED, CHANGED, DELETED = "created", "changed", "deleted"

MAX_CHANGES = 1_000
"""Newest changes that are stored for each owner. A client that missed more reads the list again."""

BATCH_SIZE = 100
"""Changes that one query reads."""

_INSERT: Mapping[str, Callable[..., sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a note. `note` is the note as it is now, or None if it has been deleted."""

    number: int
    kind: str
    note_id: UUID
    note: Note | None


def record_change(session: Session, owner: str, note_id: UUID, kind: str) -> None:
    """Add a change to the transaction of `session`. Call it last, since it locks the owner's row."""
    insert = _INSERT[session.get_bind().dialect.name]
    count = insert(NoteCount).values(owner=owner, changes=1)
    one_more = {"changes": NoteCount.changes + 1}
    counted = count.on_conflict_do_update(index_elements=[NoteCount.owner], set_=one_more)
    number = session.scalars(counted.returning(NoteCount.changes)).one()
    session.add(NoteChange(owner=owner, number=number, note_id=note_id, kind=kind))
    session.execute(delete(NoteChange).where(NoteChange.owner == owner, NoteChange.number <= number - MAX_CHANGES))


def newest_number(engine: Engine, owner: str) -> int:
    """Return the number of `owner`'s last change, or 0 before the first."""
    with Session(engine) as session:
        return session.scalars(select(NoteCount.changes).where(NoteCount.owner == owner)).one_or_none() or 0


def changes_after(engine: Engine, owner: str, number: int) -> Sequence[Change]:
    """Return the first changes of `owner` after `number`, at most BATCH_SIZE."""
    later = (
        select(NoteChange, Note)
        .outerjoin(Note, Note.id == NoteChange.note_id)
        .where(NoteChange.owner == owner, NoteChange.number > number)
        .order_by(NoteChange.number)
        .limit(BATCH_SIZE)
    )
    with Session(engine) as session:
        return [Change(change.number, change.kind, change.note_id, note) for change, note in session.execute(later)]
