"""`python -m resource_service migrate` brings the database to the newest version of the tables.

`python -m resource_service migration MESSAGE` writes the next migration from what the models changed; it needs no
settings, and is for developers.
"""

import argparse
import os
from pathlib import Path

from flask import Flask
from flask_migrate import Migrate, upgrade

from chassis.logs import configure_logs
from chassis.new_migration import write_migration
from chassis.serving import settings_or_exit
from resource_service.app import create_app
from resource_service.models import db
from resource_service.settings import ResourceSettings

MIGRATIONS = Path(__file__).with_name("migrations")


def install_migrations(app: Flask) -> None:
    """Lets Flask-Migrate work on `app`. Not in create_app: importing Alembic costs a worker half a second."""
    # A database may be shared with the auth service; each keeps its own record of migrations.
    Migrate(app, db, MIGRATIONS, version_table="notes_alembic_version")


def main() -> None:
    """Run the command that the arguments name. Running `migrate` again changes nothing."""
    parser = argparse.ArgumentParser(
        prog="python -m resource_service", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate")
    commands.add_parser("migration").add_argument("message")
    asked = parser.parse_args()
    if asked.command == "migration":
        written = write_migration(db, MIGRATIONS, asked.message)
        print(f"wrote {written}: read it before you commit it" if written else "the models and the tables agree")  # noqa: T201
    else:
        _migrate()


def _migrate() -> None:
    settings = settings_or_exit(ResourceSettings, os.environ)
    configure_logs("resource_service", settings.log_level)
    app = create_app(settings)
    install_migrations(app)
    with app.app_context():
        upgrade()


if __name__ == "__main__":
    main()
