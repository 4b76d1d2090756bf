"""Run the migrations in migrations/, with Flask-Migrate.

The app does not import this module: only commands need Alembic, and its import takes half a second.
"""

import flask_migrate
from flask import Flask
from flask_migrate import Migrate, downgrade
from sqlalchemy.exc import DBAPIError

from auth_service.storage.migration_settings import MIGRATIONS
from auth_service.storage.models import db
from auth_service.store_errors import StoreUnavailable

__all__ = ["downgrade", "install_migrations", "upgrade"]


def install_migrations(app: Flask) -> None:
    """Make `upgrade` and `downgrade` work in an application context of `app`."""
    Migrate(app, db, MIGRATIONS.folder, version_table=MIGRATIONS.version_table)


def upgrade() -> None:
    """Migrate the tables to the newest version. Raises SQLAlchemy's DBAPIError."""
    try:
        flask_migrate.upgrade()
    except StoreUnavailable as error:
        # `exit_if_unusable` explains the driver's error to the operator.
        raise DBAPIError(None, None, error.__cause__ or error) from None
