"""An operator who runs commands."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result
from redis import Redis

from auth_service.cli.commands import commands

Run = Callable[..., Result]
RunJson = Callable[..., Any]


@pytest.fixture
def run(environ: dict[str, str], redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Return a function that runs a command, with `typed` as its standard input."""
    # The runner closes its standard error, and later log lines would be written to it. So only the level is set.
    monkeypatch.setattr("auth_service.cli.commands.configure_logs", lambda *_, **__: None)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("WARNING"))

    def run(*words: str, typed: str = "") -> Result:
        return CliRunner().invoke(commands, words, env=environ, input=typed)

    yield run
    structlog.reset_defaults()


@pytest.fixture
def run_json(run: Run) -> RunJson:
    """Return a function that runs a command with `--json`, and returns what it printed."""

    def run_json(*words: str, typed: str = "") -> Any:
        done = run(*words, "--json", typed=typed)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return run_json
