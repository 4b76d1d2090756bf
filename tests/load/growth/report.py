"""The report of `make bench-growth`: a table and a chart for each growth."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from stack.plan import ROOT
from tests.load.bench.report import PICTURE
from tests.load.bench.tables import MIB
from tests.load.growth.growths import WORKERS, Growth
from tests.load.growth.points import Point
from tests.load.growth.scaling import scaling_lines
from tests.load.growth.unit_costs import HEAD as UNIT_COST_HEAD
from tests.load.growth.unit_costs import unit_cost_line
from tests.load.measuring.chart import draw_line
from tests.load.measuring.docs_page import replace_part
from tests.load.measuring.machine import describe_machine

PAGE = ROOT / "docs" / "performance-growth.md"
MARK = "growth"
HEAD = ("| {axis} | CPU us a request | requests/s | memory, MiB | p50 ms | p99 ms |", "|---|---|---|---|---|---|")


Results = Sequence[tuple[Growth, Sequence[Point]]]


def write_growth(results: Results, folder: Path, rounds: int, seconds: int, *, into_docs: bool) -> str:
    """Write growth.md, growth.json and the charts to the folder, and to docs/ if requested. Return the text."""
    folder.mkdir(parents=True, exist_ok=True)
    text = f"{describe_machine()}. Medians of {rounds} turns of {seconds} s.\n\n{_tables(results)}"
    (folder / "growth.md").write_text(text)
    figures = {growth.name: [asdict(point) for point in points] for growth, points in results}
    (folder / "growth.json").write_text(json.dumps({"machine": describe_machine(), **figures}, indent=1))
    for growth, points in results:
        drawn = [(point.size, point.run.cpu, point.run.memory) for point in points if point.run]
        draw_line(growth.title, growth.axis, drawn, folder / _picture(growth))
    if into_docs:
        _put_into_docs(text, results, folder)
    return text


def _put_into_docs(text: str, results: Results, folder: Path) -> None:
    PICTURE.parent.mkdir(exist_ok=True)
    links = []
    for growth, _ in results:
        (PICTURE.parent / _picture(growth)).write_bytes((folder / _picture(growth)).read_bytes())
        links.append(f"![{growth.title}]({PICTURE.parent.name}/{_picture(growth)})")
    replace_part(PAGE, MARK, f"{text}\n" + "\n".join(links))


def _tables(results: Results) -> str:
    lines: list[str] = ["### What one more costs", "", *UNIT_COST_HEAD]
    lines += [unit_cost_line(growth.unit, points) for growth, points in results]
    lines.append("")
    for growth, points in results:
        lines += [f"### {growth.title}", "", *HEAD]
        lines[-2] = lines[-2].format(axis=growth.axis)
        lines += [_line(point) for point in points]
        lines += [f"\n{point.size:,}: {point.problem}" for point in points if point.problem]
        lines.append("")
        if growth.name == WORKERS:
            lines += [*scaling_lines(points, os.cpu_count() or 1), ""]
    return "\n".join(lines)


def _line(point: Point) -> str:
    run = point.run
    if run is None:
        return f"| {point.size:,} | not measured | | | | |"
    return (
        f"| {point.size:,} | {run.cpu:,.0f} | {run.rate:,.0f} | {run.memory / MIB:,.0f} "
        f"| {run.p50:.2f} | {run.p99:.2f} |"
    )


def _picture(growth: Growth) -> str:
    return f"growth-{growth.name}.png"
