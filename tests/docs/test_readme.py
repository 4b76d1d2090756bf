"""The README has at most 120 lines, and its figures are those of docs/performance.md."""

import re

from tests.docs.code_blocks import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAX_LINES = 120


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= MAX_LINES


def test_the_figures_of_the_readme_are_those_of_the_performance_page() -> None:
    """The README's table has one row per server, after two lines of heading. The page adds ratios in brackets."""
    section = README.split("\n## Figures\n", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line.split("|")[2:4]] for line in section.splitlines() if line.startswith("|")][
        2:
    ]
    measured = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    table = measured.split("\n### A valid token\n", 1)[1].split("\n### ", 1)[0]
    assert len(rows) == 5
    for requests, cpu in rows:
        assert re.search(rf"\| {requests} \([\d.]+\) \| {cpu} \(", table), f"{requests} and {cpu} are not in one row"
