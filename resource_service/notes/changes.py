"""The numbered changes of each owner's notes: written with each change, and read by event streams.

The number comes from the owner's row in `note_counts`, which stays locked until the transaction is committed. So
changes become visible in the order of their numbers, and a reader that has read number 6 has not missed number 5. The
numbers of a database sequence do not guarantee this order.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Engine, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from resource_service.notes.database_models import ChangeCounter, Note, NoteChange

CREATED, CHANGED, DELETED = "created", "changed", "deleted"

MAX_CHANGES = 1_000
"""Number of changes that are stored for each owner. A client that missed more must read the list again."""

BATCH_SIZE = 100
"""Maximum number of changes that one query reads."""

_INSERT: Mapping[str, Callable[..., sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
"""The INSERT of each database, because SQLAlchemy's general INSERT has no ON CONFLICT."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a note. `kind` is CREATED, CHANGED or DELETED.

    `note` is the note as it is now, or None if it has been deleted since.
    """

    number: int
    kind: str
    note_id: UUID
    note: Note | None


def record_change(session: Session, owner: str, note_id: UUID, kind: str) -> None:
    """Add a change of this `kind` (CREATED, CHANGED or DELETED) to the transaction of `session`.

    Call it directly before the commit: it locks the owner's counter, so other changes of this owner wait.
    """
    insert = _INSERT[session.get_bind().dialect.name]
    increment = (
        insert(ChangeCounter)
        .values(owner=owner, changes=1)
        .on_conflict_do_update(index_elements=[ChangeCounter.owner], set_={"changes": ChangeCounter.changes + 1})
    )
    number = session.scalars(increment.returning(ChangeCounter.changes)).one()
    session.add(NoteChange(owner=owner, number=number, note_id=note_id, kind=kind))
    session.execute(delete(NoteChange).where(NoteChange.owner == owner, NoteChange.number <= number - MAX_CHANGES))


def newest_number(engine: Engine, owner: str) -> int:
    """Return the number of `owner`'s last change, or 0 before the first."""
    with Session(engine) as session:
        return session.scalars(select(ChangeCounter.changes).where(ChangeCounter.owner == owner)).one_or_none() or 0


def changes_after(engine: Engine, owner: str, number: int) -> Sequence[Change]:
    """Return the changes of `owner` that follow `number`, in order, at most BATCH_SIZE."""
    later = (
        select(NoteChange, Note)
        .outerjoin(Note, Note.id == NoteChange.note_id)
        .where(NoteChange.owner == owner, NoteChange.number > number)
        .order_by(NoteChange.number)
        .limit(BATCH_SIZE)
    )
    with Session(engine) as session:
        return [Change(change.number, change.kind, change.note_id, note) for change, note in session.execute(later)]
