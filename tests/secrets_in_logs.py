"""Search every log line of a test run for tokens, session handles and passwords. A run that finds one fails.

It searches what the tests and their processes write: the output that pytest captures, the events that
`structlog.testing.capture_logs` takes away, and the logs that `search` is given, such as those of stacks.
`tests/conftest.py` uses the hooks below. With pytest-xdist, each worker reports what it has found.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import LogCapture

_PATTERNS = {
    "a JWT": r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}",
    "a token of a link in a mail": r"(?<![\w-])[0-9a-z]{6,8}-[A-Za-z0-9_-]{43}(?![\w-])",
    "a session handle or a ticket": r"(?<![\w-])(?=[\w-]*[A-Z])(?=[\w-]*\d)[A-Za-z0-9_-]{43}(?![\w-])",
}
_PASSWORD = re.compile(r"^ *[A-Z_]*PASSWORD\w* = \"([^\"/][^\"]{7,})\"$", re.MULTILINE)
"""A constant with a password in the source of a test; a path is none."""

found: dict[str, str] = {}
"""What was found so far: where, and which kind of secret in which line. The line is masked."""


def search(source: str, text: str) -> None:
    """Search the log `text` of `source`. A secret in it fails the run."""
    if match := _secrets().search(text):
        kind = next(name for name, value in zip((*_PATTERNS, "a password"), match.groups(), strict=True) if value)
        start, end = text.rfind("\n", 0, match.start()) + 1, text.find("\n", match.end())
        line = text[start : match.start()] + "[...]" + text[match.end() : end if end >= 0 else len(text)]
        found.setdefault(source, f"{kind} in: {line[:300]}")


@lru_cache(1)
def _secrets() -> re.Pattern[str]:
    sources = (file.read_text(encoding="utf-8") for file in Path(__file__).parent.rglob("*.py"))
    passwords = {password for source in sources for password in _PASSWORD.findall(source)}
    alternatives = (*_PATTERNS.values(), "|".join(map(re.escape, sorted(passwords))) or "(?!)")
    return re.compile("|".join(f"({alternative})" for alternative in alternatives))


class SearchingLogCapture(LogCapture):
    """The processor of capture_logs, which also searches each event."""

    def __call__(self, logger: Any, method_name: str, event_dict: Any) -> Any:
        """Search one event and keep it."""
        search(f"a captured event {event_dict.get('event')}", repr(event_dict))
        return super().__call__(logger, method_name, event_dict)


def pytest_configure(config: pytest.Config) -> None:
    """Search the events that tests capture."""
    import structlog.testing

    structlog.testing.LogCapture = SearchingLogCapture  # type: ignore[misc]  # capture_logs looks it up there


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Search what pytest has captured of a test. With xdist, the main process gets the reports of all workers."""
    for title, text in report.sections:
        search(f"{report.nodeid} ({title})", text)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Add what a worker of pytest-xdist has found."""
    found.update(getattr(node, "workeroutput", {}).get("secrets_in_logs", {}))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if there is a secret, or tell the main process."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["secrets_in_logs"] = dict(found)
    elif found and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what was found."""
    if found:
        terminalreporter.section("secrets in logs", sep="=", red=True)
        for source, what in found.items():
            terminalreporter.line(f"{source}: {what}")
