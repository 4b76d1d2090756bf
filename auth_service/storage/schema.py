"""The migrations of the tables: Flask-Migrate over migrations/.

Not imported by the app: importing Alembic takes half a second, and only commands need it.
"""

from flask import Flask
from flask_migrate import Migrate, downgrade, upgrade

from auth_service.storage.models import db
from auth_service.storage.tables import TABLES

__all__ = ["downgrade", "install_migrations", "upgrade"]


def install_migrations(app: Flask) -> None:
    """Make `upgrade` and `downgrade` work in an application context of `app`."""
    Migrate(app, db, TABLES.migrations, version_table=TABLES.version_table)
