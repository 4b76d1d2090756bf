"""The command line of `python -m auth_service`: it reads the settings, opens the database, and runs a command.

Exit codes: 0 done, 1 refused (the message names the argument), 2 wrong usage or settings, or no database.
Messages are on standard error, results on standard output. Passwords are never arguments, because other users of the
machine can read the arguments of a process.
"""

import os
import sys
from typing import Any

import click

from auth_service.api.client_of_request import set_client_of_request
from auth_service.app import create_app
from auth_service.cli.audit import audit
from auth_service.cli.figures import figures
from auth_service.cli.gateways import gateways
from auth_service.cli.importing import export_users, import_users
from auth_service.cli.keys import keys
from auth_service.cli.mail import mail
from auth_service.cli.sessions import sessions
from auth_service.cli.users import users
from auth_service.cli.webhooks import webhooks
from auth_service.events.client import OPERATOR
from auth_service.settings import AuthSettings, ServingSettings
from auth_service.storage.migration_settings import MIGRATIONS
from auth_service.storage.models import db
from auth_service.storage.schema import install_migrations, upgrade
from auth_service.store_errors import StoreUnavailable
from chassis.logs import configure_logs
from chassis.sql.migration_writer import write_migration
from chassis.sql.startup_check import check_database, check_database_to_migrate, exit_if_unusable
from chassis.startup import settings_or_exit


class _Commands(click.Group):
    """A group whose commands exit with one line if the database stops answering."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except StoreUnavailable as error:
            click.echo(f"Error: the database does not answer: {error}", err=True)
            ctx.exit(2)


@click.group(cls=_Commands)
@click.pass_context
def commands(context: click.Context) -> None:
    """Manage the auth service. Settings are read from the environment."""
    # `--help` of a command needs neither settings nor a database.
    if context.invoked_subcommand == migration.name or {"--help"} & set(sys.argv[1:]):
        return
    settings = settings_or_exit(AuthSettings, os.environ, ServingSettings)
    if context.invoked_subcommand == check_settings.name:
        return
    url = settings.database_url.get_secret_value()
    if context.invoked_subcommand == migrate.name:
        configure_logs("auth_service", settings.log_level, settings.log_format)
        with exit_if_unusable():
            check_database_to_migrate(url)
    else:
        # Standard output is for the result. The audit trail has what a command does.
        configure_logs("auth_service", "WARNING", to_stderr=True)
        with exit_if_unusable():
            check_database(url, MIGRATIONS)
    app = create_app(settings)
    install_migrations(app)
    context.with_resource(app.app_context())
    set_client_of_request(OPERATOR)


@commands.command()
def migrate() -> None:
    """Migrate the tables to the newest version. Running it again changes nothing."""
    with exit_if_unusable():
        upgrade()


@commands.command()
def check_settings() -> None:
    """Check the settings and report every error. The database is not used."""


@commands.command()
@click.argument("message")
def migration(message: str) -> None:
    """Write the next migration, named MESSAGE, from the changes of the models. Needs no settings."""
    written = write_migration(db, MIGRATIONS.folder, message)
    click.echo(f"wrote {written}: review it before you commit it" if written else "the models have not changed")


for noun in (users, sessions, keys, mail, audit, figures, gateways, webhooks):
    commands.add_command(noun)
users.add_command(import_users, "import")
users.add_command(export_users, "export")
# The names of earlier versions, which scripts of a move may have.
commands.add_command(import_users)
commands.add_command(export_users)
