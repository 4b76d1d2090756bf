"""The next migration is generated from the difference between models and migrations."""

import shutil
from pathlib import Path

import pytest
from flask_sqlalchemy import SQLAlchemy

import auth_service.storage.migration_settings
import auth_service.storage.models
import resource_service.database
import resource_service.migration_settings
import resource_service.notes.database_models
from chassis.sql.migration_writer import write_migration

SERVICES = [
    (auth_service.storage.models.db, auth_service.storage.migration_settings.MIGRATIONS.folder),
    (resource_service.database.db, resource_service.migration_settings.MIGRATIONS.folder),
]


@pytest.mark.parametrize(("db", "folder"), SERVICES, ids=["auth_service", "resource_service"])
def test_models_and_migrations_of_a_service_agree(db: SQLAlchemy, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "migrations")
    assert write_migration(db, tmp_path / "migrations", "nothing") is None


@pytest.mark.parametrize(("db", "folder"), SERVICES, ids=["auth_service", "resource_service"])
def test_a_new_table_is_created_by_the_generated_migration(db: SQLAlchemy, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "migrations")
    versions = sorted((tmp_path / "migrations" / "versions").glob("0*.py"))
    for version in versions:
        version.unlink()
    written = write_migration(db, tmp_path / "migrations", "What changes")
    assert written is not None
    assert written.name == "0001_what_changes.py"
    assert written.read_text().count("op.create_table(") == len(db.metadata.tables)
