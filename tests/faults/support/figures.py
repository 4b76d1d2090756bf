"""Measured figures of tests, printed at the end of the run: one line per figure."""

from collections.abc import Callable, Sequence

import pytest

AddFigure = Callable[[str], None]

_FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture
def add_figure(request: pytest.FixtureRequest) -> AddFigure:
    """Return a function that adds a line of figures to the summary."""
    figures = request.config.stash.setdefault(_FIGURES, [])
    return lambda line: figures.append(f"{request.node.name}: {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures once (pytest hook)."""
    figures = config.stash.get(_FIGURES, [])
    if figures:
        terminalreporter.section("figures")
        terminalreporter.write_line("\n".join(figures))
        figures.clear()


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that `percent` percent of the values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def percentiles_in_ms(values: Sequence[float]) -> str:
    """Return the median, the 99th percentile and the maximum of `values` (seconds) as text in milliseconds."""
    p50, p99, most = (percentile(values, percent) * 1000 for percent in (50, 99, 100))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {most:.1f} ms"
