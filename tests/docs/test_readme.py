"""The README has at most 120 lines, and its figures are those of docs/performance.md."""

from tests.docs.code_blocks import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAX_LINES = 120


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= MAX_LINES


def test_the_figures_of_the_readme_are_those_of_the_performance_page() -> None:
    """`make bench ARGS=--write-docs` writes the same table to both."""
    figures = README.split("<!-- begin: bench -->", 1)[1].split("<!-- end: bench -->", 1)[0].strip()
    assert len(figures.splitlines()) >= 5
    assert "Sallyport" in figures
    measured = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert figures in measured.split("<!-- begin: bench -->", 1)[1]
