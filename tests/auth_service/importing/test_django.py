"""The users of a Django database are imported, log in with their passwords, and bad rows are reported."""

import json
import sqlite3
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from auth_service.importing.imported_user import derived_id
from auth_service.storage.models import ForeignTokenRow, ImportedUserRow, UserRow, db
from tests.auth_service.importing.conftest import Import, Run
from tests.auth_service.importing.recorded import PASSWORD, django_database, recorded_tokens
from tests.auth_service.world import Operator, Person

WITH_PASSWORDS = ("ann", "argon2", "bcrypt", "bcrypt-sha256", "scrypt", "sha1")


@pytest.fixture
def project(tmp_path: Path) -> str:
    """The URL of a database with Django's own user model."""
    return f"sqlite:///{django_database(tmp_path)}"


def problems_of(report: dict[str, object]) -> set[tuple[object, ...]]:
    """Return the key, field, reason and outcome of each problem."""
    problems = report["problems"]
    assert isinstance(problems, list)
    return {(each["key"], each["field"], each["reason"], each["outcome"]) for each in problems}


def test_every_row_is_imported_or_reported(import_users: Import, project: str) -> None:
    report = import_users("django", "--database", project)

    assert {name: report[name] for name in ("read", "imported", "unchanged", "skipped", "used_tokens")} == {
        "read": 13,
        "imported": 10,
        "unchanged": 0,
        "skipped": 3,
        "used_tokens": 1,
    }
    assert problems_of(report) == {
        ("7", "password_hash", "its format is unknown", "without_password"),
        ("9", "password_hash", "there is no usable password", "without_password"),
        ("10", "email", "is missing", "skipped"),
        ("11", "email", "is not a valid e-mail address", "skipped"),
        ("12", "email", "row 1 has the same mailbox", "skipped"),
    }


@pytest.mark.parametrize("name", WITH_PASSWORDS)
def test_every_kind_of_hash_logs_in(import_users: Import, project: str, app: Flask, name: str) -> None:
    import_users("django", "--database", project)
    person = Person(app.test_client(), f"{name}@example.org", PASSWORD)

    assert person.log_in().status_code == 200
    assert person.me().json["email"] == f"{name}@example.org"  # type: ignore[index]


@pytest.mark.parametrize("name", ["barred", "md5", "unusable"])
def test_a_barred_user_and_one_without_a_usable_password_cannot_log_in(
    import_users: Import, project: str, app: Flask, name: str
) -> None:
    import_users("django", "--database", project)
    person = Person(app.test_client(), f"{name}@example.org", PASSWORD)

    assert person.log_in().status_code == 401


def test_fields_roles_and_times_are_kept(import_users: Import, project: str, operator: Operator) -> None:
    import_users("django", "--database", project)

    ann = operator.user("ann@example.org")
    assert (ann.first_name, ann.last_name, ann.roles, ann.status) == ("Ann", "Lee", "staff", "active")
    assert ann.id == derived_id("django", "1")
    assert operator.user("scrypt@example.org").roles == "staff"
    assert operator.user("editor@example.org").roles == ""
    assert operator.user("barred@example.org").status == "barred"
    issued_at = recorded_tokens("django_auth").issued_at
    assert abs(ann.password_changed_at - issued_at) < 60


def test_flags_and_groups_give_the_roles_of_the_mapping(
    import_users: Import, project: str, operator: Operator
) -> None:
    roles = ["--role", "is_superuser=admin", "--role", "group:Content editors=editor"]
    import_users("django", "--database", project, *roles, "--inactive", "unverified")

    assert operator.user("ann@example.org").roles == ""
    assert operator.user("scrypt@example.org").roles == "admin"
    assert operator.user("editor@example.org").roles == "editor"
    assert operator.user("barred@example.org").status == "unverified"


def test_a_second_run_changes_nothing_and_adds_new_users(
    import_users: Import, project: str, operator: Operator, app: Flask
) -> None:
    import_users("django", "--database", project)
    person = Person(app.test_client(), "ann@example.org", PASSWORD)
    person.log_in()
    person.password = PASSWORD
    assert person.set_password("an0ther-Pass").status_code == 204
    operator.deactivate("sha1@example.org")
    with sqlite3.connect(project.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE auth_user SET email = 'found@example.org' WHERE id = 10")

    report = import_users("django", "--database", project)

    assert (report["imported"], report["unchanged"], report["skipped"], report["used_tokens"]) == (1, 10, 2, 0)
    assert operator.user("sha1@example.org").status == "barred"
    person.password = "an0ther-Pass"
    assert person.log_in().status_code == 200
    assert operator.user("found@example.org").id == derived_id("django", "10")


def test_a_deleted_user_does_not_come_back(import_users: Import, project: str, app: Flask) -> None:
    import_users("django", "--database", project)
    person = Person(app.test_client(), "ann@example.org", PASSWORD)
    person.log_in()
    assert person.call("DELETE", "/auth/users/me/", json={"current_password": PASSWORD}).status_code == 204

    report = import_users("django", "--database", project)

    assert report["imported"] == 1, "the second account with this mailbox, which is free now"
    with app.app_context():
        ids = db.session.scalars(select(UserRow.id)).all()
    assert derived_id("django", "1") not in ids
    assert derived_id("django", "12") in ids


def test_a_dry_run_reports_the_same_and_stores_nothing(
    import_users: Import, project: str, app: Flask, tmp_path: Path
) -> None:
    dry = import_users("django", "--database", project, "--dry-run", "--batch-size", "2")
    with app.app_context():
        for table in (UserRow, ImportedUserRow, ForeignTokenRow):
            assert db.session.scalars(select(table)).all() == []

    report = import_users("django", "--database", project)

    assert dry["dry_run"] is True
    assert (dry["imported"], dry["skipped"]) == (report["imported"], report["skipped"])
    assert problems_of(dry) == problems_of(report)


@pytest.mark.parametrize("size", ["1", "2", "5"])
def test_the_size_of_a_batch_does_not_change_the_result(import_users: Import, project: str, size: str) -> None:
    report = import_users("django", "--database", project, "--batch-size", size)

    assert (report["imported"], report["skipped"]) == (10, 3)


def test_an_address_that_an_account_has_already_is_reported(
    import_users: Import, project: str, client: object, app: Flask
) -> None:
    Person(app.test_client(), "ANN@example.org").register()

    report = import_users("django", "--database", project)

    reason = "an account with the same mailbox exists already"
    assert {each for each in problems_of(report) if each[2] == reason} == {
        ("1", "email", reason, "skipped"),
        ("12", "email", reason, "skipped"),
    }


def test_a_custom_user_model_keeps_its_uuids(import_users: Import, operator: Operator, tmp_path: Path) -> None:
    columns = {
        "email": "mail",
        "first_name": "given_name",
        "last_name": "surname",
        "is_active": "is_enabled",
        "created_at": "joined",
    }
    mapping = [word for field, column in columns.items() for word in ("--column", f"{field}={column}")]
    database = f"sqlite:///{django_database(tmp_path, 'django_people')}"

    report = import_users(
        "django", "--table", "people_person", *mapping, "--role", "is_editor=editor", IMPORT_DATABASE_URL=database
    )

    tokens = recorded_tokens("django_people")
    ann = operator.user("ann@example.org")
    assert (str(ann.id), ann.first_name, ann.last_name, ann.roles) == (tokens.user_id, "Ann", "Lee", "editor")
    assert (report["imported"], report["skipped"]) == (3, 0)
    assert [(each["field"], each["outcome"]) for each in report["problems"]] == [("first_name", "changed")]
    assert operator.user("long@example.org").first_name == "x" * 150
    assert operator.user("off@example.org").status == "barred"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--table", "people"], "the database has no table people; --table names another one"),
        (["--column", "email=mail"], "auth_user has no column mail; --column FIELD=COLUMN names another one"),
        (["--column", "mail=email"], "there is no field mail; the fields are id, email"),
        (["--role", "group:Redactors=editor"], "the database has no group Redactors; its groups are Content editors"),
        (["--database", "/srv/db.sqlite3"], "is not a database URL; it must be like sqlite:////srv/shop/db.sqlite3"),
        (["--database", "mysql://host/name"], "the database URL must be a sqlite: or postgresql: URL"),
        (["--database", "postgresql://127.0.0.1:1/name"], "the database cannot be read"),
        (["--database", ""], "name the database: set IMPORT_DATABASE_URL"),
    ],
)
def test_a_source_that_cannot_be_read_is_explained(run: Run, project: str, words: list[str], message: str) -> None:
    done = run("import-users", "django", "--database", project, *words)

    assert done.exit_code == 1
    assert message in done.output
    assert "Traceback" not in done.output


def test_a_file_that_does_not_exist_is_reported_and_not_created(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "misspelled.sqlite3"

    done = run("import-users", "django", "--database", f"sqlite:///{path}")

    assert done.exit_code == 1
    assert f"the database URL names {path}, which is not a file" in done.output
    assert not path.exists()


def test_the_report_is_written_and_contains_no_hash_or_address(run: Run, project: str, tmp_path: Path) -> None:
    done = run("import-users", "django", "--database", project, "--report", str(tmp_path / "report.json"))

    report = (tmp_path / "report.json").read_text()
    assert json.loads(report)["imported"] == 10
    assert "imported 10 of 13 users from django; 0 were imported before, 3 skipped" in done.stdout
    assert "1 skipped: email: is missing" in done.stdout
    assert "row 10, id 10: email: is missing (skipped)" in done.stdout
    for text in (report, done.output):
        assert "@example.org" not in text
        assert "$" not in text
