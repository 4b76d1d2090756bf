"""The report of an import: how many rows were imported, and each row that was skipped or changed, with the reason.

It contains no password, hash or address: rows are named by their number and their key in the source.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

MAX_SHOWN = 20
"""Problems that the text of a report shows. The JSON form has all of them."""


class Outcome(StrEnum):
    """The result for a row with a problem."""

    SKIPPED = "skipped"
    WITHOUT_PASSWORD = "without_password"  # noqa: S105 - a name, no password
    """Imported. The user must reset the password before the first log-in."""
    CHANGED = "changed"
    """Imported, with another value in the field."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of one field of one row. `key` is the id in the source; "" if the row has none."""

    row: int
    key: str
    field: str
    reason: str
    outcome: Outcome

    def to_json(self) -> dict[str, object]:
        """Return the problem as a JSON object."""
        return {
            "row": self.row,
            "key": self.key,
            "field": self.field,
            "reason": self.reason,
            "outcome": self.outcome.value,
        }


@dataclass(slots=True)
class Report:
    """The result of an import, so far. Every row is counted in exactly one of imported, unchanged and skipped."""

    source: str
    is_dry_run: bool
    read: int = 0
    imported: int = 0
    unchanged: int = 0
    """Rows that an earlier run has imported."""
    blacklisted_tokens: int = 0
    """Blacklisted refresh tokens that were imported."""
    skipped: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, problems: Iterable[Problem]) -> None:
        """Add problems. Each one with the outcome SKIPPED is that of a row of its own."""
        for problem in problems:
            self.problems.append(problem)
            self.skipped += problem.outcome is Outcome.SKIPPED

    def to_json(self) -> dict[str, object]:
        """Return the report as a JSON object."""
        return {
            "source": self.source,
            "dry_run": self.is_dry_run,
            "read": self.read,
            "imported": self.imported,
            "unchanged": self.unchanged,
            "skipped": self.skipped,
            "used_tokens": self.blacklisted_tokens,
            "problems": [problem.to_json() for problem in self.problems],
        }

    def to_text(self) -> str:
        """Return the report for people: the numbers, the reasons by frequency, and the first problems."""
        verb = "would import" if self.is_dry_run else "imported"
        lines = [
            f"{verb} {self.imported} of {self.read} users from {self.source}; "
            f"{self.unchanged} were imported before, {self.skipped} skipped"
        ]
        if self.blacklisted_tokens:
            lines.append(f"{verb} {self.blacklisted_tokens} blacklisted refresh tokens")
        reasons = Counter((str(each.outcome), each.field, each.reason) for each in self.problems)
        lines += [
            f"  {count} {outcome.replace('_', ' ')}: {name}: {reason}"
            for (outcome, name, reason), count in reasons.most_common(MAX_SHOWN)
        ]
        lines += [
            f"  row {each.row}, id {each.key or 'unknown'}: {each.field}: {each.reason} ({each.outcome})"
            for each in self.problems[:MAX_SHOWN]
        ]
        if len(self.problems) > MAX_SHOWN:
            lines.append(f"  and {len(self.problems) - MAX_SHOWN} more; --report FILE writes all of them as JSON")
        return "\n".join(lines)
