"""Transactions that change something: commit, record in the audit trail, and dispatch the events afterwards.

Every store writes through it, so no caller has to record or dispatch what it did.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from auth_service.audit.trail import stored_records
from auth_service.events.account_events import Event
from auth_service.events.dispatcher import Dispatch
from auth_service.storage.audit_statements import add_records
from auth_service.storage.group_commit import Commits, Result, Write

RecordedWrite = Callable[[Connection], tuple[Result, Sequence[Event]]]
"""Statements that return their result and what happened; like Write, they fail only if the database does."""


class Transactions:
    """Runs writes, each in a transaction that is committed when `run` or `record` returns."""

    def __init__(self, commits: Commits, dispatch: Dispatch) -> None:
        self._commits = commits
        self._dispatch = dispatch

    def run(self, write: Write[Result]) -> Result:
        """Run a write that the audit trail does not record."""
        return self._commits.run(write)

    def record(self, write: RecordedWrite[Result]) -> Result:
        """Run a write, record its events in the same transaction, and dispatch them after the commit."""

        def write_and_record(connection: Connection) -> tuple[Result, Sequence[Event]]:
            result, events = write(connection)
            add_records(stored_records(events), connection)
            return result, events

        result, events = self._commits.run(write_and_record)
        self._dispatch(events)
        return result
