"""The commands of an operator change users and tables, and report errors in one line."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from auth_service.cli import commands
from contract.revocation import STREAM
from tests.auth_service.running_service import ROOT
from tests.auth_service.world import PASSWORD, Operator, Person

Run = Callable[..., Result]


@pytest.fixture
def run(environ: dict[str, str], redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Run:
    # Without logs: the runner closes its standard output, and later log lines would be written to it.
    monkeypatch.setattr("auth_service.cli.configure_logs", lambda *_: None)

    def run(*words: str, typed: str = "") -> Result:
        return CliRunner().invoke(commands, words, env=environ, input=typed)

    return run


def test_migrating_twice_changes_nothing(run: Run, environ: dict[str, str], tmp_path: Path) -> None:
    environ["DATABASE_URL"] = f"sqlite:///{tmp_path}/new.db"
    assert run("create-user", "a@b.co", typed=PASSWORD).exit_code != 0
    assert run("migrate").exit_code == 0
    assert run("create-user", "a@b.co", typed=PASSWORD).exit_code == 0
    assert run("migrate").exit_code == 0
    assert "a user a@b.co already" in run("create-user", "a@b.co", typed=PASSWORD).output


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


def test_a_user_is_created_with_a_password_from_standard_input(run: Run, ann: Person, operator: Operator) -> None:
    result = run("create-user", "root@example.org", "--staff", typed=f"{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    assert PASSWORD not in result.output
    assert operator.user("root@example.org").is_staff
    root = Person(ann.client, "root@example.org")
    assert root.log_in().status_code == 200
    assert len(root.call("GET", "/auth/users/").json or []) == 2


@pytest.mark.parametrize(
    ("email", "typed", "reason"),
    [
        ("nobody", PASSWORD, "is not a valid e-mail address"),
        ("x" * 300 + "@b.co", PASSWORD, "is not a valid e-mail address"),
        ("ann@example.org", PASSWORD, "a user ann@example.org already"),
        ("ANN@example.org", PASSWORD, "already"),
        ("new@example.org", "12345678", "too common"),
        ("new@example.org", "", "too short"),
        ("new@example.org", "x" * 257, "longer than 256"),
    ],
)
def test_create_user_refuses_what_a_registration_refuses(
    run: Run, ann: Person, email: str, typed: str, reason: str
) -> None:
    result = run("create-user", email, typed=typed)
    assert result.exit_code == 1
    assert reason in result.output
    assert "Traceback" not in result.output


def test_a_change_of_roles_ends_the_sessions_with_the_old_roles(run: Run, ann: Person, operator: Operator) -> None:
    assert "roles: staff; 1 sessions ended" in run("grant", ann.email, "staff").output
    assert ann.me().status_code == 401
    run("grant", "ANN@example.org", "beta")
    run("grant", ann.email, "staff")
    assert operator.user(ann.email).roles == "beta staff"
    run("revoke-role", ann.email, "beta")
    assert operator.user(ann.email).roles == "staff"
    assert run("revoke-role", ann.email, "beta").exit_code == 1


@pytest.mark.parametrize("role", ["", "two words", "tab\there", "\u00e9t\u00e9", "x" * 300])
def test_a_role_that_is_not_one_short_word_is_refused(run: Run, ann: Person, role: str, operator: Operator) -> None:
    assert run("grant", ann.email, role).exit_code == 1
    assert operator.user(ann.email).roles == ""


def test_a_deactivated_user_is_logged_out_and_can_be_activated(run: Run, ann: Person, redis: Redis) -> None:
    assert "1 sessions ended" in run("deactivate", ann.email).output
    assert ann.me().json == {"detail": "User is inactive", "code": "user_inactive"}
    assert redis.xlen(STREAM) == 1
    assert run("activate", ann.email).exit_code == 0
    assert ann.log_in().status_code == 200


@pytest.mark.parametrize("words", [("grant", "x@y.co", "staff"), ("deactivate", "x@y.co"), ("activate", "x@y.co")])
def test_an_unknown_user_is_reported(run: Run, words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 1
    assert "there is no user x@y.co" in result.output


def test_a_missing_setting_is_reported_by_name(
    run: Run, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    environ["REFRESH_SECRET"] = ""
    failed = run("migrate")
    assert failed.exit_code == 2
    assert "REFRESH_SECRET is missing" in failed.output + capsys.readouterr().err
