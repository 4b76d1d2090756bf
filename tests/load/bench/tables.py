"""Tables of the measurements: a table for each workload, a row for each server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.load.measuring.workloads import Workload
from tests.load.measuring.wrk import Run, medians
from tests.load.peers import PLAIN

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Row:
    """A server's medians, and the turns from which they are computed."""

    server: str
    run: Run
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A workload's rows. Ratios are relative to `base`, or to `ideal` requests per second if there is a maximum."""

    name: str
    title: str
    rows: tuple[Row, ...]
    base_name: str
    base: Run | None
    ideal: float = 0.0

    @property
    def wrong_rows(self) -> tuple[Row, ...]:
        """Return the rows with wrong responses."""
        return tuple(row for row in self.rows if row.run.wrong)


def tables_of(workloads: Sequence[Workload], runs: Mapping[str, Mapping[str, Sequence[Run]]]) -> list[Table]:
    """Return a table for each workload. Without plain nginx the base is plain nginx with a valid token."""
    fallback = runs.get("valid", {}).get(PLAIN)
    return [
        make_table(one.name, one.title, runs[one.name], PLAIN, fallback=fallback, ideal=one.ideal)
        for one in workloads
    ]


def make_table(
    name: str,
    title: str,
    runs: Mapping[str, Sequence[Run]],
    base_name: str,
    *,
    fallback: Sequence[Run] | None = None,
    ideal: float = 0.0,
) -> Table:
    """Return a table of the medians."""
    rows = tuple(Row(server, medians(of), tuple(of)) for server, of in runs.items())
    base = runs.get(base_name) or fallback
    return Table(name, title, rows, base_name, medians(base) if base else None, ideal)
