"""The service with a SQLite database and a movable clock, and three callers."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade

from chassis.settings import load
from resource_service.__main__ import install_migrations
from resource_service.app import create_app
from resource_service.database import db
from resource_service.settings import ResourceSettings
from sallyport_service import Identity
from tests.clocks import MovableClock
from tests.resource_service.callers import SECRET, Caller


def settings_for(database: Path | str) -> ResourceSettings:
    """Return settings for the SQLite file `database`, or for a database URL."""
    url = database if isinstance(database, str) else f"sqlite:///{database}"
    return load(ResourceSettings, {"DATABASE_URL": url, "IDENTITY_SECRET": SECRET})


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("migrated") / "notes.db"
    app = create_app(settings_for(database))
    install_migrations(app)
    with app.app_context():
        upgrade()
        db.engine.dispose()
    return database


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def database(migrated_database: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(migrated_database, tmp_path / "notes.db"))


@pytest.fixture
def app(database: Path, clock: MovableClock) -> Iterator[Flask]:
    app = create_app(settings_for(database), clock=clock)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def ada(client: FlaskClient, clock: MovableClock) -> Caller:
    return Caller(client, clock, Identity("ada-id", "ada-session", "ada@example.org"))


@pytest.fixture
def bob(client: FlaskClient, clock: MovableClock) -> Caller:
    return Caller(client, clock, Identity("bob-id", "bob-session", "bob@example.org"))


@pytest.fixture
def staff(client: FlaskClient, clock: MovableClock) -> Caller:
    return Caller(client, clock, Identity("staff-id", "staff-session", "staff@example.org", ("staff", "user")))
