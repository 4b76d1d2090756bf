"""Tables of the measurements: a table for each workload, a row for each server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.load.measuring.workloads import Workload
from tests.load.measuring.wrk import Run, medians
from tests.load.peers import NGINX_KEEPALIVE, PLAIN

MIB = 1024 * 1024
NGINX_BASES = (PLAIN, NGINX_KEEPALIVE)


@dataclass(frozen=True, slots=True)
class Row:
    """A server's medians, and the turns from which they are computed."""

    server: str
    run: Run
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A workload's rows. Ratios are relative to each of `bases`, which are medians by server.

    If there is a maximum, `ideal` requests per second, rates are shown relative to it.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    bases: Mapping[str, Run]
    ideal: float = 0.0

    @property
    def wrong_rows(self) -> tuple[Row, ...]:
        """Return the rows with wrong responses."""
        return tuple(row for row in self.rows if row.run.wrong)


def tables_of(workloads: Sequence[Workload], runs: Mapping[str, Mapping[str, Sequence[Run]]]) -> list[Table]:
    """Return a table for each workload, with both nginx proxies as bases.

    Where one of them did not take part, its figures in the similar workload are the base.
    """
    return [
        make_table(
            one.name, one.title, runs[one.name], NGINX_BASES, similar=runs.get(one.similar, {}), ideal=one.ideal
        )
        for one in workloads
    ]


def make_table(
    name: str,
    title: str,
    runs: Mapping[str, Sequence[Run]],
    base_names: Sequence[str],
    *,
    similar: Mapping[str, Sequence[Run]] | None = None,
    ideal: float = 0.0,
) -> Table:
    """Return a table of the medians. A base that is not in `runs` is taken from `similar`, or left out."""
    rows = tuple(Row(server, medians(of), tuple(of)) for server, of in runs.items())
    known = {**(similar or {}), **runs}
    return Table(name, title, rows, {base: medians(known[base]) for base in base_names if base in known}, ideal)
