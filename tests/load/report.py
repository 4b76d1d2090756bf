"""Owns the report of a measurement: tables with their ratios, as Markdown, as JSON and, in docs/, as a page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from stack.plan import ROOT
from tests.load.chart import draw_bars
from tests.load.docs_page import replace_part
from tests.load.machine import describe_machine, describe_versions
from tests.load.peers import PLAIN
from tests.load.workloads import Workload
from tests.load.wrk import Run, medians

PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance" / "bench.png"
MARK = "bench"
HEAD = ("| | requests/s | CPU us a request | memory, MiB | p50 ms | p99 ms |", "|---|---|---|---|---|---|")
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Row:
    """A server's medians, and the turns that they are of."""

    server: str
    run: Run
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A workload's rows. Ratios are to `base`, or to `ideal` requests a second where there is a most."""

    name: str
    title: str
    rows: tuple[Row, ...]
    base_name: str
    base: Run | None
    ideal: float = 0.0

    @property
    def wrong_rows(self) -> tuple[Row, ...]:
        """Those with an answer that was not as it should be."""
        return tuple(row for row in self.rows if row.run.wrong)


@dataclass(frozen=True, slots=True)
class Report:
    """All that a reader needs. `left_out` has a reason for each server that is missing."""

    rounds: int
    seconds: int
    many: int
    tables: tuple[Table, ...]
    left_out: Mapping[str, str]
    tokens: Mapping[str, str]


def tables_of(workloads: Sequence[Workload], runs: Mapping[str, Mapping[str, Sequence[Run]]]) -> list[Table]:
    """A table for each workload. Where plain nginx has no part, it is plain nginx with a valid token that counts."""
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
    """A table of the medians."""
    rows = tuple(Row(server, medians(of), tuple(of)) for server, of in runs.items())
    base = runs.get(base_name) or fallback
    return Table(name, title, rows, base_name, medians(base) if base else None, ideal)


def as_markdown(report: Report) -> str:
    """The tables, and what has to be known to read them."""
    lines = [
        f"{describe_machine()}. {describe_versions()}.",
        "",
        f"Medians of {report.rounds} turns of {report.seconds} s, one server after the other; memory is the largest "
        f"seen. In brackets: times {PLAIN}, if nothing else is said. Many tokens are {report.many:,}.",
        "",
        "| | what it does about a token |",
        "|---|---|",
        *(f"| {name} | {tokens} |" for name, tokens in report.tokens.items()),
        *(f"| {name} | left out: {reason} |" for name, reason in report.left_out.items()),
        "",
    ]
    for table in report.tables:
        lines += [*_table_lines(table), ""]
    return "\n".join(lines)


def write(report: Report, folder: Path, *, into_docs: bool) -> None:
    """report.md, figures.json and bench.png in the folder; and, where asked for, the page and picture in docs/."""
    folder.mkdir(parents=True, exist_ok=True)
    text = as_markdown(report)
    (folder / "report.md").write_text(text)
    figures = {"machine": describe_machine(), "versions": describe_versions(), **asdict(report)}
    (folder / "figures.json").write_text(json.dumps(figures, indent=1))
    draw_bars({table.title: _rates(table) for table in report.tables}, folder / "bench.png")
    if into_docs:
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_bytes((folder / "bench.png").read_bytes())
        replace_part(PAGE, MARK, f"{text}\n![Requests a second]({PICTURE.parent.name}/{PICTURE.name})\n")


def _table_lines(table: Table) -> list[str]:
    note = "" if table.base_name == PLAIN else f" (times {table.base_name})"
    lines = [f"### {table.title}{note}", "", *HEAD]
    for row in table.rows:
        lines.append("| " + " | ".join([row.server, *_cells(row.run, table)]) + " |")
    lines += [f"\n{row.run.wrong:,} wrong answers of {row.server}: `{row.run.oddity}`" for row in table.wrong_rows]
    return lines


def _cells(run: Run, table: Table) -> list[str]:
    base = table.base
    of_ideal = f" ({run.rate / table.ideal:.0%})" if table.ideal else _ratio(run.rate, base.rate if base else 0)
    return [
        f"{run.rate:,.0f}{of_ideal}",
        f"{run.cpu:,.0f}{_ratio(run.cpu, base.cpu if base else 0)}" if run.cpu else "",
        f"{run.memory / MIB:,.0f}{_ratio(run.memory, base.memory if base else 0)}" if run.memory else "",
        f"{run.p50:,.2f}{_ratio(run.p50, base.p50 if base else 0)}",
        f"{run.p99:,.2f}{_ratio(run.p99, base.p99 if base else 0)}",
    ]


def _ratio(value: float, base: float) -> str:
    return f" ({value / base:.2f})" if base else ""


def _rates(table: Table) -> dict[str, float]:
    return {row.server: row.run.rate for row in table.rows}
