"""An operator who runs the import commands."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from auth_service.cli.commands import commands
from tests.auth_service.conftest import MakeApp, environ_for
from tests.auth_service.importing.moved_project import TOKENS, TRANSITION, Project
from tests.auth_service.importing.recorded import PASSWORD, django_database
from tests.auth_service.world import Person
from tests.clocks import MovableClock

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


@pytest.fixture(scope="session")
def imported_database(
    migrated_database: Path, valkey: str, signing_pem: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A database with the users and tokens of the recorded Django project."""
    folder = tmp_path_factory.mktemp("imported")
    database = Path(shutil.copy(migrated_database, folder / "auth.db"))
    words = ["import-users", "django", "--database", f"sqlite:///{django_database(folder)}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("auth_service.cli.commands.configure_logs", lambda *_, **__: None)
        done = CliRunner().invoke(commands, words, env=environ_for(database, valkey, signing_pem))
    assert done.exit_code == 0, done.output
    # The command may not have closed its connections yet: users in the write-ahead log would not be copied.
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return database


@pytest.fixture
def project(make_app: MakeApp, imported_database: Path, database: Path, clock: MovableClock) -> Project:
    """The project of `imported_database`, ten seconds after its last tokens were issued."""
    shutil.copy(imported_database, database)
    clock.now = TOKENS.issued_at + 10.0
    app = make_app(**TRANSITION)
    return Project(make_app, clock, app, Person(app.test_client(), "ann@example.org", PASSWORD))
