"""`python -m resource_service migrate` applies all migrations to the database.

`python -m resource_service serve` migrates the database if needed, and runs the server. `make run` uses it.

`python -m resource_service check-settings` checks all settings and lists the invalid ones. It does not connect to the
database.

`python -m resource_service migration MESSAGE` writes the next migration, from the differences between the database
models and the present migrations. It is for developers and needs no settings.
"""

import argparse
import os

from flask import Flask

from chassis.logs import configure_logs
from chassis.sql.startup_check import check_database_to_migrate, exit_if_unusable, is_migrated
from chassis.startup import settings_or_exit
from resource_service.migration_settings import MIGRATIONS
from resource_service.settings import ResourceSettings, ServingSettings


def install_migrations(app: Flask) -> None:
    """Install Flask-Migrate in `app`. create_app does not, because importing Alembic takes 0.5 s."""
    from flask_migrate import Migrate

    from resource_service.database import db

    Migrate(app, db, MIGRATIONS.folder, version_table=MIGRATIONS.version_table)


def main() -> None:
    """Run the command in the arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m resource_service", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate")
    commands.add_parser("serve")
    commands.add_parser("check-settings")
    commands.add_parser("migration").add_argument("message")
    arguments = parser.parse_args()
    if arguments.command == "migration":
        from chassis.sql.migration_writer import write_migration
        from resource_service.database import db

        written = write_migration(db, MIGRATIONS.folder, arguments.message)
        result = f"wrote {written}: read it before you commit it" if written else "the models have not changed"
        print(result)  # noqa: T201
        return
    settings = settings_or_exit(ResourceSettings, os.environ, ServingSettings)
    if arguments.command == "migrate":
        _migrate(settings)
    if arguments.command == "serve":
        from chassis.sql.migrated_server import serve

        serve("resource_service", settings.database_url.get_secret_value(), MIGRATIONS)


def _migrate(settings: ResourceSettings) -> None:
    url = settings.database_url.get_secret_value()
    with exit_if_unusable():
        if is_migrated(url, MIGRATIONS):
            return
    # Imported here, because a start with migrated tables needs neither the application nor Alembic.
    from flask_migrate import upgrade

    from resource_service.app import create_app

    configure_logs("resource_service", settings.log_level, settings.log_format)
    with exit_if_unusable():
        check_database_to_migrate(url)
    app = create_app(settings)
    install_migrations(app)
    with app.app_context(), exit_if_unusable():
        upgrade()


if __name__ == "__main__":
    main()
