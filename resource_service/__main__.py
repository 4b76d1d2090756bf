"""`python -m resource_service migrate` brings the database to the newest version of the tables."""

import argparse
import os
from pathlib import Path

from flask import Flask
from flask_migrate import Migrate, upgrade

from chassis.logs import configure_logs
from chassis.serving import settings_or_exit
from resource_service.app import create_app
from resource_service.models import db
from resource_service.settings import ResourceSettings


def install_migrations(app: Flask) -> None:
    """Lets Flask-Migrate work on `app`. Not in create_app: importing Alembic costs a worker half a second."""
    # A database may be shared with the auth service; each keeps its own record of migrations.
    Migrate(app, db, Path(__file__).with_name("migrations"), version_table="notes_alembic_version")


def main() -> None:
    """Runs the command the arguments name. Running `migrate` again changes nothing."""
    parser = argparse.ArgumentParser(prog="python -m resource_service", description=__doc__)
    parser.add_argument("command", choices=["migrate"])
    parser.parse_args()
    settings = settings_or_exit(ResourceSettings, os.environ)
    configure_logs("resource_service", settings.log_level)
    app = create_app(settings)
    install_migrations(app)
    with app.app_context():
        upgrade()


if __name__ == "__main__":
    main()
