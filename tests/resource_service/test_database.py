"""The service survives database outages, and its migrations create the tables of its models."""

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
from resource_service.__main__ import install_migrations
from resource_service.app import create_app
from resource_service.database import db
from resource_service.settings import ResourceSettings
from sallyport_service import Identity
from tests.clocks import MovableClock
from tests.resource_service.callers import SECRET, Caller
from tests.resource_service.conftest import settings_for

TABLES = ("notes", "note_counts", "note_changes")


@pytest.fixture
def missing_database(tmp_path: Path) -> Path:
    """The path of a database in a folder that does not exist, so that SQLite cannot open it."""
    return tmp_path / "unmounted" / "notes.db"


@pytest.fixture
def caller_without_database(missing_database: Path, clock: MovableClock) -> Caller:
    """A caller of a service whose database is down."""
    app = create_app(settings_for(missing_database), clock=clock)
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
def test_a_database_outage_is_answered_503_with_retry_after(
    caller_without_database: Caller, method: str, path: str
) -> None:
    response = caller_without_database.call(method, path, json={"title": "x"})
    assert (response.status_code, response.get_json()["code"]) == (503, "store_unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert "sqlite" not in response.text.lower()


def test_endpoints_that_need_no_database_work_during_an_outage(caller_without_database: Caller) -> None:
    assert caller_without_database.get("/api/whoami").status_code == 200
    assert caller_without_database.client.get("/healthz").get_json() == {"status": "ok"}


def test_the_service_is_ready_again_when_the_database_is_back(
    caller_without_database: Caller, missing_database: Path, migrated_database: Path
) -> None:
    response = caller_without_database.client.get("/readyz")
    assert (response.status_code, response.get_json()["failing"]) == (503, ["database"])
    missing_database.parent.mkdir()
    shutil.copy(migrated_database, missing_database)
    assert caller_without_database.client.get("/readyz").get_json() == {"status": "ready"}
    assert caller_without_database.write("Back again")["title"] == "Back again"


def test_a_service_without_tables_is_not_ready(tmp_path: Path) -> None:
    client = create_app(settings_for(tmp_path / "empty.db")).test_client()
    assert client.get("/readyz").status_code == 503


def test_a_restored_backup_is_used_at_once(ada: Caller, database: Path) -> None:
    """Without a restart of the service."""
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


def test_a_full_disk_is_answered_503_and_stores_nothing(app: Flask, ada: Caller) -> None:
    with app.app_context():
        pages = db.session.connection().exec_driver_sql("PRAGMA page_count").scalar_one()
        db.session.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        db.session.remove()
    responses = [ada.post(title="x", body="b" * 10_000) for _ in range(4)]
    assert responses[-1].status_code == 503
    assert len(ada.titles()) == sum(response.status_code == 201 for response in responses)


def test_every_thread_can_hold_a_database_connection(database: Path) -> None:
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


def test_sqlite_uses_write_ahead_logging(app: Flask) -> None:
    with app.app_context():
        assert db.session.connection().exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


def test_the_migrations_create_the_tables_of_the_models(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "notes_alembic_version"})
        assert compare_metadata(context, db.metadata) == []


def test_upgrade_is_idempotent_and_downgrade_drops_the_tables(app: Flask, ada: Caller, database: Path) -> None:
    ada.write("stays")
    install_migrations(app)
    with app.app_context():
        upgrade()
    assert ada.titles() == ["stays"]
    with app.app_context():
        downgrade(revision="base")
    assert _tables(database) == {"notes_alembic_version"}


def test_migrations_keep_the_tables_of_other_services(tmp_path: Path) -> None:
    database = tmp_path / "shared.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE auth_alembic_version (version_num TEXT)")
        connection.execute("CREATE TABLE users (id TEXT)")
    app = create_app(settings_for(database))
    install_migrations(app)
    with app.app_context():
        upgrade()
    assert _tables(database) == {"auth_alembic_version", "users", *TABLES, "notes_alembic_version"}


def _tables(database: Path) -> set[str]:
    with sqlite3.connect(database) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
