"""Owns how the tables come to be: Flask-Migrate over migrations/.

Not part of the app: importing Alembic costs a worker half a second, and only a command needs it.
"""

from flask import Flask
from flask_migrate import Migrate, downgrade, upgrade

from auth_service.storage.models import db
from auth_service.storage.tables import TABLES

__all__ = ["downgrade", "install_migrations", "upgrade"]


def install_migrations(app: Flask) -> None:
    """Lets `upgrade` and `downgrade` work within a context of `app`."""
    Migrate(app, db, TABLES.migrations, version_table=TABLES.version_table)
