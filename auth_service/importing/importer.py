"""The importer: it reads a source, checks its rows, and stores them in batches, each in one transaction.

The store remembers the ids of the source. So an import that was stopped at any point is run again: it continues
where it stopped, and stores nobody twice. A later run adds the users that are new in the source.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from auth_service.importing.imported_user import ImportedUser
from auth_service.importing.report import Outcome, Problem, Report
from auth_service.importing.row_checks import RowChecks
from auth_service.importing.source_row import Source, SourceRow, TokenSource, UnreadableRow
from auth_service.importing.store import ImportStore
from chassis.clock import Clock

BATCH = 1_000
"""Rows in one transaction. On SQLite, requests that write wait for about 50 ms."""

Item = TypeVar("Item")
Progress = Callable[[Report], None]
"""Called after each batch."""


@dataclass(frozen=True, slots=True)
class Importer:
    """Imports users into `store`. A dry run checks everything and stores nothing."""

    store: ImportStore
    checks: RowChecks
    clock: Clock
    is_dry_run: bool = False
    batch_size: int = BATCH
    progress: Progress = lambda _: None

    def run(self, source: Source, tokens: TokenSource | None = None) -> Report:
        """Import every row of `source`, and the blacklisted tokens. Raises SourceError or StoreUnavailable."""
        report = Report(self.checks.source, self.is_dry_run)
        # A dry run stores nothing, so it has to remember the mailboxes of former batches itself.
        seen: dict[str, int] = {}
        for batch in _batches(source.rows(), self.batch_size):
            self._import(batch, report, seen)
            self.progress(report)
        if tokens is not None and not self.is_dry_run:
            for blacklisted in _batches(tokens.blacklisted_tokens(self.clock()), self.batch_size):
                report.blacklisted_tokens += self.store.add_blacklisted_tokens(blacklisted)
        return report

    def _import(self, rows: Sequence[SourceRow | UnreadableRow], report: Report, seen: dict[str, int]) -> None:
        now = self.clock()
        users: list[ImportedUser] = []
        notes: dict[int, list[Problem]] = {}
        for row in rows:
            report.read += 1
            if isinstance(row, UnreadableRow):
                report.add([Problem(row.number, "", "row", row.reason, Outcome.SKIPPED)])
                continue
            user, problems = self.checks.check(row, now)
            if user is None:
                report.add(problems)
            elif self.is_dry_run and (first := seen.setdefault(user.email_key, user.row)) != user.row:
                report.add([_duplicate(user, first)])
            else:
                users.append(user)
                notes[user.row] = problems
        result = self.store.import_batch(self.checks.source, users, now, is_dry_run=self.is_dry_run)
        report.imported += len(result.new)
        report.unchanged += len(result.unchanged)
        for conflict in result.conflicts:
            user = conflict.user
            report.add([Problem(user.row, user.key, conflict.field, conflict.reason, Outcome.SKIPPED)])
        for user in result.new:
            report.add(notes[user.row])


def _duplicate(user: ImportedUser, first: int) -> Problem:
    return Problem(user.row, user.key, "email", f"row {first} has the same mailbox", Outcome.SKIPPED)


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
