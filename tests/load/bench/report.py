"""The report of a measurement: tables with ratios, as Markdown, as JSON and as a page in docs/."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from stack.plan import ROOT
from tests.load.bench.tables import MIB, Table
from tests.load.measuring.chart import draw_bars
from tests.load.measuring.docs_page import replace_part
from tests.load.measuring.machine import describe_machine, describe_versions
from tests.load.measuring.wrk import Run
from tests.load.peers import PLAIN

PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance" / "bench.png"
MARK = "bench"
HEAD = ("| | requests/s | CPU us a request | memory, MiB | p50 ms | p99 ms |", "|---|---|---|---|---|---|")


@dataclass(frozen=True, slots=True)
class Report:
    """The data of a report.

    `left_out` has the reason why a server is missing, `tokens` how each server verifies tokens. `many` is the number
    of tokens in the workload "many", and `promised` the lines of the table of promises.
    """

    rounds: int
    seconds: int
    many: int
    tables: tuple[Table, ...]
    left_out: Mapping[str, str]
    tokens: Mapping[str, str]
    promised: tuple[str, ...]


def as_markdown(report: Report) -> str:
    """Return the tables and the notes that are needed to read them, as Markdown."""
    lines = [
        f"{describe_machine()}. {describe_versions()}.",
        "",
        f"Medians of {report.rounds} turns of {report.seconds} s, one server after the other; memory is the largest "
        f"seen. In brackets: relative to {PLAIN}, unless noted otherwise. Many tokens are {report.many:,}.",
        "",
        "| | how it verifies tokens |",
        "|---|---|",
        *(f"| {name} | {tokens} |" for name, tokens in report.tokens.items()),
        *(f"| {name} | left out: {reason} |" for name, reason in report.left_out.items()),
        "",
        *report.promised,
        "",
    ]
    for table in report.tables:
        lines += [*_table_lines(table), ""]
    return "\n".join(lines)


def write(report: Report, folder: Path, *, into_docs: bool) -> None:
    """Write report.md, figures.json and bench.png to the folder, and the page and picture to docs/ if requested."""
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
    note = "" if table.base_name == PLAIN else f" (relative to {table.base_name})"
    lines = [f"### {table.title}{note}", "", *HEAD]
    for row in table.rows:
        lines.append("| " + " | ".join([row.server, *_cells(row.run, table)]) + " |")
    lines += [f"\n{row.run.wrong:,} wrong responses of {row.server}: `{row.run.problem}`" for row in table.wrong_rows]
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
