"""An operator who runs the import commands."""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from auth_service.cli.commands import commands

# These tests kill processes at random times: `make test-faults` runs them, `make test` does not.
collect_ignore = [] if os.environ.get("SALLYPORT_FAULTS") else ["test_stopped_import.py"]

Run = Callable[..., Result]
Import = Callable[..., dict[str, Any]]


@pytest.fixture
def run(environ: dict[str, str], redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command."""
    # Without logs: the runner closes its standard output, and later log lines would be written to it.
    monkeypatch.setattr("auth_service.cli.commands.configure_logs", lambda *_, **__: None)
    return lambda *words, **more: CliRunner().invoke(commands, words, env={**environ, **more})


@pytest.fixture
def import_users(run: Run) -> Import:
    """Return a function that runs `import-users` and returns the report."""

    def import_users(*words: str, **more: str) -> dict[str, Any]:
        done = run("import-users", *words, "--json", **more)
        assert done.exit_code == 0, done.output
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    return import_users
