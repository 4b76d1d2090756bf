"""The report of a measurement: tables with ratios, as Markdown, as JSON and as a page in docs/."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from stack.plan import ROOT
from tests.load.bench.summary import summary_lines
from tests.load.bench.tables import MIB, NGINX_BASES, Table
from tests.load.measuring.chart import draw_bars
from tests.load.measuring.docs_page import replace_part
from tests.load.measuring.machine import describe_machine, describe_versions
from tests.load.measuring.workloads import DIRECT
from tests.load.measuring.wrk import Run
from tests.load.peers import NGINX_KEEPALIVE, PLAIN

PAGE = ROOT / "docs" / "performance.md"
README = ROOT / "README.md"
TABLES_PAGE = ROOT / "docs" / "performance-tables.md"
PICTURE = ROOT / "docs" / "performance" / "bench.png"
MARK = "bench"
HEAD = (
    "| | requests/s | CPU us a request | of a core | memory, MiB | p50 ms | p99 ms |",
    "|---|---|---|---|---|---|---|",
)


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
    """Return the whole report as Markdown."""
    return "\n".join([*_overview(report), *_tables(report)])


def _overview(report: Report) -> list[str]:
    """Return the summary, the promises, and the notes that are needed to read the tables."""
    summary = summary_lines(report.tables)
    return [
        *([*summary, ""] if summary else []),
        f"{describe_machine()}. {describe_versions()}.",
        "",
        "| | how it verifies tokens |",
        "|---|---|",
        *(f"| {name} | {tokens} |" for name, tokens in report.tokens.items()),
        *(f"| {name} | left out: {reason} |" for name, reason in report.left_out.items()),
        "",
        *report.promised,
        "",
    ]


def _tables(report: Report) -> list[str]:
    """Return the tables, and how to read them."""
    lines = [
        f"Medians of {report.rounds} turns of {report.seconds} s, one server after the other; memory is the largest "
        f"seen. In brackets: relative to {PLAIN}, then to {NGINX_KEEPALIVE}, unless noted otherwise. The column "
        f"`of a core` has the CPU time that the server used in a second. Many tokens are {report.many:,}.",
        "",
    ]
    for table in report.tables:
        lines += [*_table_lines(table), ""]
    return lines


def write(report: Report, folder: Path, *, into_docs: bool) -> None:
    """Write report.md, figures.json and bench.png to the folder; if requested, also to docs/ and README.md."""
    folder.mkdir(parents=True, exist_ok=True)
    text = as_markdown(report)
    (folder / "report.md").write_text(text)
    figures = {"machine": describe_machine(), "versions": describe_versions(), **asdict(report)}
    (folder / "figures.json").write_text(json.dumps(figures, indent=1))
    draw_bars({table.title: _rates(table) for table in report.tables}, folder / "bench.png")
    if into_docs:
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_bytes((folder / "bench.png").read_bytes())
        replace_part(PAGE, MARK, "\n".join(_overview(report)))
        picture = f"![Requests a second]({PICTURE.parent.name}/{PICTURE.name})"
        replace_part(TABLES_PAGE, MARK, "\n".join([*_tables(report), picture]))
        if summary := summary_lines(report.tables):
            replace_part(README, MARK, "\n".join(summary))


def _table_lines(table: Table) -> list[str]:
    note = "" if set(table.bases) <= set(NGINX_BASES) else f" (relative to {', '.join(table.bases)})"
    lines = [f"### {table.title}{note}", *HEAD]
    for row in table.rows:
        cells = _cells_of_client(row.run, table) if row.server == DIRECT else _cells(row.run, table)
        lines.append("| " + " | ".join([row.server, *cells]) + " |")
    lines += [f"\n{row.run.wrong:,} wrong responses of {row.server}: `{row.run.problem}`" for row in table.wrong_rows]
    return lines


def _cells(run: Run, table: Table) -> list[str]:
    bases = table.bases.values()
    return [
        _rate(run, table),
        f"{run.cpu:,.0f}{_ratios(run.cpu, [base.cpu for base in bases])}" if run.cpu else "",
        f"{run.rate * run.cpu / 1e6:.0%}" if run.cpu else "",
        f"{run.memory / MIB:,.0f}" if run.memory else "",
        f"{run.p50:,.2f}",
        f"{run.p99:,.2f}{_ratios(run.p99, [base.p99 for base in bases])}",
    ]


def _cells_of_client(run: Run, table: Table) -> list[str]:
    """Return the cells of the row without a server: the CPU time is the client's, then the upstream's."""
    return [
        _rate(run, table),
        f"client {run.client_cpu:,.1f}, upstream {run.cpu:,.1f}",
        f"client {run.rate * run.client_cpu / 1e6:.0%}, upstream {run.rate * run.cpu / 1e6:.0%}",
        "",
        f"{run.p50:,.2f}",
        f"{run.p99:,.2f}",
    ]


def _rate(run: Run, table: Table) -> str:
    if table.ideal:
        return f"{run.rate:,.0f} ({run.rate / table.ideal:.0%})"
    return f"{run.rate:,.0f}{_ratios(run.rate, [base.rate for base in table.bases.values()])}"


def _ratios(value: float, bases: Sequence[float]) -> str:
    return f" ({', '.join(f'{value / base:.2f}' for base in bases)})" if all(bases) and bases else ""


def _rates(table: Table) -> dict[str, float]:
    return {row.server: row.run.rate for row in table.rows if row.server != DIRECT}
