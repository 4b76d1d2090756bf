"""The export of one service is imported by another without loss."""

import json
import stat
from pathlib import Path

import pytest
from flask import Flask

from tests.auth_service.conftest import MakeApp
from tests.auth_service.importing.conftest import Import, Run
from tests.auth_service.importing.recorded import PASSWORD, django_database
from tests.auth_service.world import Operator, Person
from tests.clocks import MovableClock


def test_an_export_of_an_import_of_an_export_is_the_same(
    run: Run,
    import_users: Import,
    environ: dict[str, str],
    app: Flask,
    operator: Operator,
    clock: MovableClock,
    tmp_path: Path,
) -> None:
    clock.now = 1_790_000_000.0  # commands use the system clock, and times in the future are not imported
    import_users("django", "--database", f"sqlite:///{django_database(tmp_path)}")
    own = Person(app.test_client(), "own@example.org")
    own.register(first_name="Zoë")
    operator.deactivate("own@example.org")
    first = run("export-users")
    assert first.exit_code == 0
    (tmp_path / "users.jsonl").write_text(first.stdout, encoding="utf-8")

    environ["DATABASE_URL"] = f"sqlite:///{tmp_path}/second.db"
    assert run("migrate").exit_code == 0
    report = import_users("jsonl", "--file", str(tmp_path / "users.jsonl"))
    second = run("export-users")

    assert (report["read"], report["imported"]) == (11, 11)
    users, again = ([json.loads(line) for line in done.stdout.splitlines()] for done in (first, second))
    assert [each.pop("imported_from") for each in users] != [each.pop("imported_from") for each in again]
    assert users == again
    by_email = {each["email"]: each for each in users}
    assert by_email["own@example.org"]["status"] == "barred"
    assert by_email["own@example.org"]["first_name"] == "Zoë"
    assert by_email["ann@example.org"]["password_hash"].startswith("pbkdf2_sha256$")


def test_an_export_names_the_ids_in_the_source(run: Run, import_users: Import, tmp_path: Path) -> None:
    import_users("django", "--database", f"sqlite:///{django_database(tmp_path)}")

    users = [json.loads(line) for line in run("export-users").stdout.splitlines()]

    (ann,) = (user for user in users if user["email"] == "ann@example.org")
    assert ann["imported_from"] == {"django": "1"}


def test_the_file_is_readable_by_its_owner_only_and_never_replaced(run: Run, app: Flask, tmp_path: Path) -> None:
    Person(app.test_client()).register()
    path = tmp_path / "users.jsonl"

    assert run("export-users", "--file", str(path)).exit_code == 0
    again = run("export-users", "--file", str(path))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().splitlines()) == 1
    assert again.exit_code == 1
    assert "exists" in again.output


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_the_documented_form_is_imported(
    import_users: Import, app: Flask, operator: Operator, tmp_path: Path, kind: str
) -> None:
    fields = {
        "id": "42",
        "email": "ann@example.org",
        "password_hash": "pbkdf2:sha256:1000$salt$" + "00" * 32,
        "roles": "editor",
        "is_active": "true",
        "language": "fr",
    }
    lines = [",".join(fields), ",".join(fields.values())] if kind == "csv" else [json.dumps(fields)]
    (tmp_path / "users").write_text("\n".join(lines))

    report = import_users(kind, "--file", str(tmp_path / "users"), "--name", "shop")

    assert (report["source"], report["imported"], report["problems"]) == ("shop", 1, [])
    ann = operator.user("ann@example.org")
    assert (ann.roles, ann.status, ann.language) == ("editor", "active", "fr")


def test_passwords_still_log_in_after_a_round_trip(
    run: Run, import_users: Import, environ: dict[str, str], tmp_path: Path, make_app: MakeApp
) -> None:
    import_users("django", "--database", f"sqlite:///{django_database(tmp_path)}")
    (tmp_path / "users.jsonl").write_text(run("export-users").stdout, encoding="utf-8")
    environ["DATABASE_URL"] = f"sqlite:///{tmp_path}/second.db"
    run("migrate")
    import_users("jsonl", "--file", str(tmp_path / "users.jsonl"))

    app = make_app()

    assert Person(app.test_client(), "scrypt@example.org", PASSWORD).log_in().status_code == 200
