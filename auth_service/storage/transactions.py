"""Transactions of the stores: run a write, add its audit records and messages, commit, then dispatch its events.

Every store writes through Transactions, so its callers do not record or dispatch the events of a write, and no change
is committed without its mail and its webhooks.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from auth_service.audit.trail import stored_records
from auth_service.events.account_events import Event
from auth_service.events.dispatcher import Dispatch
from auth_service.storage.audit.statements import add_records
from auth_service.storage.group_commit import CommitStrategy, Result, Write

RecordedWrite = Callable[[Connection], tuple[Result, Sequence[Event]]]
"""Runs statements and returns a result and the events. Like a Write, it raises only if the database fails."""

AddMessages = Callable[[Sequence[Event], Connection], None]
"""Adds the mails and webhooks that events cause to their outboxes, in the transaction of the connection."""


class Transactions:
    """Runs writes, each in a transaction that is committed when `run` or `record` returns."""

    def __init__(self, commit_strategy: CommitStrategy, dispatch: Dispatch, add_messages: AddMessages) -> None:
        self._commit_strategy = commit_strategy
        self._dispatch = dispatch
        self._add_messages = add_messages

    def run(self, write: Write[Result]) -> Result:
        """Run a write without events, commit it and return its result."""
        return self._commit_strategy.run(write)

    def record(self, write: RecordedWrite[Result]) -> Result:
        """Run a write and return its result. Record its events in the transaction; dispatch them after the commit."""

        def write_and_record(connection: Connection) -> tuple[Result, Sequence[Event]]:
            result, events = write(connection)
            add_records(stored_records(events), connection)
            self._add_messages(events, connection)
            return result, events

        result, events = self._commit_strategy.run(write_and_record)
        self._dispatch(events)
        return result
