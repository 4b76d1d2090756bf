"""The command line checks settings and database, migrates, and reports errors in one line."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from auth_service.cli.commands import commands
from tests.auth_service.cli.conftest import Run
from tests.auth_service.running_service import ROOT
from tests.auth_service.world import PASSWORD

CREATE = ("users", "create", "a@b.co")


def test_migrating_twice_changes_nothing(run: Run, environ: dict[str, str], tmp_path: Path) -> None:
    environ["DATABASE_URL"] = f"sqlite:///{tmp_path}/new.db"
    assert run(*CREATE, typed=PASSWORD).exit_code == 2
    assert run("migrate").exit_code == 0
    assert run(*CREATE, typed=PASSWORD).exit_code == 0
    assert run("migrate").exit_code == 0
    assert "a user a@b.co already" in run(*CREATE, typed=PASSWORD).stderr


def test_a_migrated_database_is_found_without_the_application(environ: dict[str, str]) -> None:
    """The application and Alembic are half of the time of a start."""
    program = (
        "import runpy, sys; sys.argv[1:] = ['migrate']; runpy.run_module('auth_service', run_name='__main__');"
        "print(sorted({'alembic', 'flask', 'auth_service.app'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr, done.returncode) == ("[]\n", "", 0)


def test_a_migration_that_fails_exits_with_one_line(
    run: Run, environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here the database has a table of another program with the name of one of ours."""
    with sqlite3.connect(tmp_path / "foreign.db") as connection:
        connection.execute("CREATE TABLE users (id INTEGER)")
    environ["DATABASE_URL"] = f"sqlite:///{tmp_path}/foreign.db"
    failed = run("migrate")
    assert failed.exit_code == 2
    assert isinstance(failed.exception, SystemExit)
    (line,) = (failed.output + capsys.readouterr().err).splitlines()
    assert "table users already exists" in line


def test_a_missing_setting_is_reported_by_name(
    run: Run, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    environ["REFRESH_SECRET"] = ""
    failed = run("migrate")
    assert failed.exit_code == 2
    assert "REFRESH_SECRET is missing" in failed.output + capsys.readouterr().err


@pytest.mark.parametrize("words", [("users",), ("users", "create"), ("audit", "tail"), ("keys", "rotate")])
def test_help_needs_no_settings(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tuple(os.environ):
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "argv", ["auth_service", *words, "--help"])
    done = CliRunner().invoke(commands, sys.argv[1:], prog_name="python -m auth_service")
    assert done.stdout.startswith(f"Usage: python -m auth_service {' '.join(words)}")
    assert (done.stderr, done.exit_code) == ("", 0)


@pytest.mark.system
def test_the_help_of_a_real_process_needs_no_settings() -> None:
    command = [sys.executable, "-m", "auth_service", "--help"]
    done = subprocess.run(command, env={}, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.startswith("Usage: python -m auth_service")
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.system
def test_a_real_process_prints_json_on_standard_output_and_nothing_else(environ: dict[str, str]) -> None:
    """Log lines go to standard error, so that another program can read the result."""
    words = [sys.executable, "-m", "auth_service", "users", "create", "a@b.co", "--json"]
    done = subprocess.run(words, env=environ, input=PASSWORD, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith('{"id": "')
    assert done.stdout.count("\n") == 1
    again = subprocess.run(words, env=environ, input=PASSWORD, capture_output=True, text=True, cwd=ROOT)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "Error: EMAIL: a user a@b.co already exists\n"
