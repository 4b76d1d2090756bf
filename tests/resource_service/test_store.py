"""The database: what it looks like from outside when it is down, and how its tables come to be."""

import shutil
import sqlite3
from contextlib import ExitStack
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade

from chassis.settings import load
from contract.identity import Identity
from resource_service.__main__ import install_migrations
from resource_service.app import create_app
from resource_service.database_models import db
from resource_service.settings import ResourceSettings
from tests.clocks import MovableClock
from tests.resource_service.callers import SECRET, Caller
from tests.resource_service.conftest import settings_for

OURS = ("notes", "note_counts", "note_changes")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a database belongs that is not there."""
    return tmp_path / "unmounted" / "notes.db"


@pytest.fixture
def stranded(place: Path, clock: MovableClock) -> Caller:
    """Ada, at a service whose database is down."""
    app = create_app(settings_for(place), clock=clock)
    return Caller(app.test_client(), clock, Identity("ada-id", "ada-session", "ada@example.org"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/notes/"),
        ("POST", "/api/notes/"),
        ("GET", "/api/notes/export"),
        ("GET", "/api/notes/00000000-0000-4000-8000-000000000000/"),
        ("PATCH", "/api/notes/00000000-0000-4000-8000-000000000000/"),
        ("DELETE", "/api/notes/00000000-0000-4000-8000-000000000000/"),
    ],
)
def test_a_database_that_is_down_is_a_503_that_says_when_to_come_back(
    stranded: Caller, method: str, path: str
) -> None:
    answer = stranded.call(method, path, json={"title": "x"})
    assert (answer.status_code, answer.get_json()["code"]) == (503, "store_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert "sqlite" not in answer.text.lower()


def test_what_needs_no_database_goes_on_without_one(stranded: Caller) -> None:
    assert stranded.get("/api/whoami").status_code == 200
    assert stranded.client.get("/healthz").get_json() == {"status": "ok"}


def test_readiness_follows_the_database_without_a_restart(
    stranded: Caller, place: Path, migrated_database: Path
) -> None:
    answer = stranded.client.get("/readyz")
    assert (answer.status_code, answer.get_json()["failing"]) == (503, ["database"])
    place.parent.mkdir()
    shutil.copy(migrated_database, place)
    assert stranded.client.get("/readyz").get_json() == {"status": "ready"}
    assert stranded.write("Back again")["title"] == "Back again"


def test_a_service_whose_tables_are_not_there_yet_is_not_ready(tmp_path: Path) -> None:
    client = create_app(settings_for(tmp_path / "empty.db")).test_client()
    assert client.get("/readyz").status_code == 503


def test_a_backup_that_is_put_in_place_is_what_is_read_and_written(ada: Caller, database: Path) -> None:
    backup = Path(shutil.copy(database, database.with_name("backup.db")))
    ada.write("lost with the file")
    backup.replace(database)
    for companion in ("-wal", "-shm"):
        Path(f"{database}{companion}").unlink(missing_ok=True)
    assert ada.titles() == []
    ada.write("kept")
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT title FROM notes").fetchall() == [("kept",)]
    connection.close()


def test_a_full_disk_stores_nothing_and_is_a_503(app: Flask, ada: Caller) -> None:
    with app.app_context():
        pages = db.session.connection().exec_driver_sql("PRAGMA page_count").scalar_one()
        db.session.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        db.session.remove()
    answers = [ada.post(title="x", body="b" * 10_000) for _ in range(4)]
    assert answers[-1].status_code == 503
    assert len(ada.titles()) == sum(answer.status_code == 201 for answer in answers)


def test_every_thread_can_have_a_connection_at_once(database: Path) -> None:
    settings = load(
        ResourceSettings,
        {
            "DATABASE_URL": f"sqlite:///{database}",
            "IDENTITY_SECRET": SECRET,
            "RESOURCE_THREADS": "30",
            "RESOURCE_STREAMS": "2",
        },
    )
    with create_app(settings).app_context(), ExitStack() as stack:
        stack.callback(db.engine.dispose)
        for _ in range(30 + 2):
            stack.enter_context(db.engine.connect())


def test_sqlite_writes_ahead_so_that_readers_and_a_writer_do_not_wait(app: Flask) -> None:
    with app.app_context():
        assert db.session.connection().exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


def test_the_migrations_make_exactly_the_tables_the_code_knows(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "notes_alembic_version"})
        assert compare_metadata(context, db.metadata) == []


def test_migrating_twice_changes_nothing_and_back_leaves_nothing(app: Flask, ada: Caller, database: Path) -> None:
    ada.write("stays")
    install_migrations(app)
    with app.app_context():
        upgrade()
    assert ada.titles() == ["stays"]
    with app.app_context():
        downgrade(revision="base")
    assert _tables(database) == {"notes_alembic_version"}


def test_another_services_tables_in_the_same_database_are_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "shared.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE auth_alembic_version (version_num TEXT)")
        connection.execute("CREATE TABLE users (id TEXT)")
    app = create_app(settings_for(database))
    install_migrations(app)
    with app.app_context():
        upgrade()
    assert _tables(database) == {"auth_alembic_version", "users", *OURS, "notes_alembic_version"}


def _tables(database: Path) -> set[str]:
    with sqlite3.connect(database) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
