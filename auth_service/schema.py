"""Owns how the tables come to be: Flask-Migrate over migrations/.

Not part of the app: importing Alembic costs a worker half a second, and only a command needs it.
"""

from pathlib import Path

from flask import Flask
from flask_migrate import Migrate, downgrade, upgrade

from auth_service.models import db

__all__ = ["MIGRATIONS", "downgrade", "install_migrations", "upgrade"]

MIGRATIONS = Path(__file__).with_name("migrations")


def install_migrations(app: Flask) -> None:
    """Lets `upgrade` and `downgrade` work within a context of `app`."""
    # A database may be shared with other services; each keeps its own record of migrations.
    Migrate(app, db, MIGRATIONS, version_table="auth_alembic_version")
