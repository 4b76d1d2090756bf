"""A service that cannot use its database exits with one line: the cause and what to do."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.sql.engine import database_url
from chassis.sql.startup_check import (
    DatabaseUnusable,
    MigrationSettings,
    check_database,
    check_database_to_migrate,
    is_migrated,
)
from tests.ports import free_port
from tests.postgres import Postgres, find_program, running_postgres

MIGRATIONS = {
    "0001": 'revision = "0001"\ndown_revision = None\n',
    "0002": 'revision = "0002"\ndown_revision = "0001"\n',
}
needs_postgres = pytest.mark.skipif(find_program("postgres") is None, reason="PostgreSQL is not installed")


@pytest.fixture
def migrations(tmp_path: Path) -> MigrationSettings:
    (tmp_path / "versions").mkdir()
    for name, text in MIGRATIONS.items():
        (tmp_path / "versions" / f"{name}.py").write_text(text)
    return MigrationSettings("the_version", tmp_path, "python -m the_service migrate")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


def error_text(url: str, migrations: MigrationSettings) -> str:
    """Return the error message without its common beginning."""
    with pytest.raises(DatabaseUnusable) as error:
        check_database(database_url(url), migrations)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith("the database of DATABASE_URL cannot be used: ")
    return message.removeprefix("the database of DATABASE_URL cannot be used: ")


def sqlite(path: Path, *statements: str) -> str:
    """Run statements in the SQLite file at `path`, and return its URL."""
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return f"sqlite:///{path}"


# --- SQLite --------------------------------------------------------------------------------------------------------


def test_a_missing_file_is_named_and_not_created(tmp_path: Path, migrations: MigrationSettings) -> None:
    message = error_text(f"sqlite:///{tmp_path / 'a.db'}", migrations)
    assert message == f"there is no file {tmp_path / 'a.db'}; run `python -m the_service migrate`"
    assert not (tmp_path / "a.db").exists()
    check_database_to_migrate(f"sqlite:///{tmp_path / 'a.db'}")


def test_only_tables_of_the_newest_version_are_migrated(tmp_path: Path, migrations: MigrationSettings) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    assert not is_migrated(url, migrations)
    sqlite(tmp_path / "a.db", "CREATE TABLE the_version (version_num TEXT)")
    assert not is_migrated(url, migrations)
    sqlite(tmp_path / "a.db", "INSERT INTO the_version VALUES ('0001')")
    assert not is_migrated(url, migrations)
    sqlite(tmp_path / "a.db", "UPDATE the_version SET version_num = '0002'")
    assert is_migrated(url, migrations)
    sqlite(tmp_path / "a.db", "UPDATE the_version SET version_num = '0003'")  # of a newer release
    assert not is_migrated(url, migrations)


def test_a_missing_folder_is_named(tmp_path: Path, migrations: MigrationSettings) -> None:
    url = f"sqlite:///{tmp_path / 'none' / 'a.db'}"
    for message in (error_text(url, migrations), str(_error_before_migration(url))):
        assert f"there is no folder {tmp_path / 'none'}; create it" in message


def test_a_file_that_is_not_a_database_is_rejected(tmp_path: Path, migrations: MigrationSettings) -> None:
    (tmp_path / "a.db").write_text("notes to self\n" * 100)
    assert error_text(f"sqlite:///{tmp_path / 'a.db'}", migrations).startswith(
        "file is not a database; correct DATABASE_URL"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_file_is_rejected(tmp_path: Path, migrations: MigrationSettings) -> None:
    url = sqlite(tmp_path / "a.db")
    (tmp_path / "a.db").chmod(0o400)
    assert "permission denied" in error_text(url, migrations)


def test_missing_and_old_tables_are_rejected_current_and_newer_accepted(
    tmp_path: Path, migrations: MigrationSettings
) -> None:
    url = sqlite(tmp_path / "a.db")
    assert error_text(url, migrations) == "its tables do not exist yet; run `python -m the_service migrate`"
    sqlite(tmp_path / "a.db", "CREATE TABLE the_version (version_num TEXT)")
    assert "do not exist yet" in error_text(url, migrations)
    sqlite(tmp_path / "a.db", "INSERT INTO the_version VALUES ('0001')")
    assert "at version 0001, this release needs 0002; run `" in error_text(url, migrations)
    for accepted in ("0002", "0003"):
        sqlite(tmp_path / "a.db", f"UPDATE the_version SET version_num = '{accepted}'")
        check_database(url, migrations)


# --- PostgreSQL ----------------------------------------------------------------------------------------------------


def run_sql(server: Postgres, *statements: str, database: str = "postgres") -> None:
    psql = [str(find_program("psql")), server.url.replace("/postgres?", f"/{database}?"), "-qv", "ON_ERROR_STOP=1"]
    for statement in statements:
        subprocess.run([*psql, "-c", statement], check=True, capture_output=True)


def test_a_server_that_does_not_run_is_reported_without_the_password(
    tmp_path: Path, migrations: MigrationSettings
) -> None:
    message = error_text(f"postgresql://ann:hunter2@127.0.0.1:{free_port()}/sally", migrations)
    assert "refused" in message
    assert message.endswith("start the database server, or correct DATABASE_URL")
    assert "hunter2" not in message
    assert error_text(f"postgresql://ann@/sally?host={tmp_path}", migrations).endswith(
        "start the database server, or correct DATABASE_URL"
    )


@needs_postgres
def test_a_missing_database_or_role_is_named(postgres: Postgres, migrations: MigrationSettings) -> None:
    message = error_text(postgres.url.replace("/postgres?", "/sally?"), migrations)
    assert (
        message == 'database "sally" does not exist; create it: `createdb --encoding UTF8 --template template0 sally`'
    )
    assert error_text(postgres.url.replace("postgres@", "bob@"), migrations).startswith(
        'role "bob" does not exist; create it'
    )


@needs_postgres
def test_an_encoding_other_than_utf8_is_rejected(postgres: Postgres, migrations: MigrationSettings) -> None:
    run_sql(postgres, "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    url = postgres.url.replace("/postgres?", "/ascii?")
    assert "has the encoding SQL_ASCII; UTF8 is required; create it again: `createdb" in error_text(url, migrations)
    assert "SQL_ASCII" in str(_error_before_migration(database_url(url)))


@needs_postgres
def test_missing_privileges_on_a_table_are_reported(postgres: Postgres, migrations: MigrationSettings) -> None:
    utf8 = "CREATE DATABASE utf8 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    run_sql(postgres, utf8, "CREATE ROLE carl LOGIN")
    url = postgres.url.replace("/postgres?", "/utf8?")
    assert "its tables do not exist yet" in error_text(url, migrations)
    run_sql(postgres, "CREATE TABLE the_version AS SELECT '0002' AS version_num", database="utf8")
    check_database(database_url(url), migrations)
    message = error_text(url.replace("postgres@", "carl@"), migrations)
    assert message.startswith("permission denied for table the_version; grant the permission")
    run_sql(postgres, "REVOKE CONNECT ON DATABASE utf8 FROM PUBLIC")
    assert error_text(url.replace("postgres@", "carl@"), migrations).startswith(
        'permission denied for database "utf8"; grant'
    )


def _error_before_migration(url: str) -> DatabaseUnusable:
    with pytest.raises(DatabaseUnusable) as error:
        check_database_to_migrate(url)
    return error.value
