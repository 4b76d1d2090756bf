"""Measurements of tests, printed at the end of a run, one line each."""

from collections.abc import Callable, Sequence

import pytest

Say = Callable[[str], None]

_FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Say:
    """Record a line."""
    figures = request.config.stash.setdefault(_FIGURES, [])
    return lambda line: figures.append(f"{request.node.name}: {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the recorded lines once. Called by pytest."""
    figures = config.stash.get(_FIGURES, [])
    if figures:
        terminalreporter.section("figures")
        terminalreporter.write_line("\n".join(figures))
        figures.clear()


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that this percentage of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def in_ms(values: Sequence[float]) -> str:
    """Return median, 99th percentile and maximum of seconds as text, in milliseconds."""
    p50, p99, most = (percentile(values, percent) * 1000 for percent in (50, 99, 100))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {most:.1f} ms"
