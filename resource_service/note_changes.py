"""Owns the order in which one owner's notes changed: every change has a number, the next after the one before.

The number comes from a row that the owner's changes lock until they are committed. So they become visible in the
order of their numbers, and who has read up to one number has missed nothing before it. A sequence of the database's
own promises neither: number 6 may be there before number 5 is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Engine, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from resource_service.models import Note, NoteChange, NoteCount

CREATED, CHANGED, DELETED = "created", "changed", "deleted"

KEPT = 1_000
"""Changes that are kept of each owner, the newest: who was away for longer reads the list again."""

PAGE = 100
"""Changes that are read at once."""

_INSERT: Mapping[str, Callable[..., sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a note. `note` is how it is now: None once it is deleted."""

    number: int
    kind: str
    note_id: UUID
    note: Note | None


def record_change(session: Session, owner: str, note_id: UUID, kind: str) -> None:
    """Adds a change to the transaction of `session`, which makes it; to be called last before the commit."""
    insert = _INSERT[session.get_bind().dialect.name]
    count = insert(NoteCount).values(owner=owner, changes=1)
    one_more = {"changes": NoteCount.changes + 1}
    counted = count.on_conflict_do_update(index_elements=[NoteCount.owner], set_=one_more)
    number = session.scalars(counted.returning(NoteCount.changes)).one()
    session.add(NoteChange(owner=owner, number=number, note_id=note_id, kind=kind))
    session.execute(delete(NoteChange).where(NoteChange.owner == owner, NoteChange.number <= number - KEPT))


def newest_number(engine: Engine, owner: str) -> int:
    """The number of `owner`'s last change; 0 before the first."""
    with Session(engine) as session:
        return session.scalars(select(NoteCount.changes).where(NoteCount.owner == owner)).one_or_none() or 0


def changes_after(engine: Engine, owner: str, number: int) -> Sequence[Change]:
    """The first PAGE of `owner`'s changes after `number`."""
    later = (
        select(NoteChange, Note)
        .outerjoin(Note, Note.id == NoteChange.note_id)
        .where(NoteChange.owner == owner, NoteChange.number > number)
        .order_by(NoteChange.number)
        .limit(PAGE)
    )
    with Session(engine) as session:
        return [Change(change.number, change.kind, change.note_id, note) for change, note in session.execute(later)]
