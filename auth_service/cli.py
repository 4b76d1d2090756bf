"""The operator's commands: migrate, check the settings, write a migration, and manage users and their roles.

Passwords are not arguments, because other users of the machine can read the arguments of a process.
"""

import os
import sys
from collections.abc import Sequence

import click

from auth_service.accounts.email_addresses import is_email
from auth_service.accounts.passwords.rules import MAX_PASSWORD
from auth_service.accounts.store import EmailTaken
from auth_service.accounts.user import MAX_EMAIL, MAX_ROLES, STAFF, NewUser, User
from auth_service.app import create_app
from auth_service.import_commands import export_users, import_users
from auth_service.services import Services, services
from auth_service.settings import AuthSettings, ServingSettings
from auth_service.storage.migration_settings import MIGRATIONS
from auth_service.storage.models import db
from auth_service.storage.schema import install_migrations, upgrade
from chassis.logs import configure_logs
from chassis.sql.migration_writer import write_migration
from chassis.sql.startup_check import check_database, check_database_to_migrate, exit_if_unusable
from chassis.startup import settings_or_exit


@click.group()
@click.pass_context
def commands(context: click.Context) -> None:
    """Manage the auth service's database. Settings are read from the environment."""
    if context.invoked_subcommand == migration.name:
        return
    settings = settings_or_exit(AuthSettings, os.environ, ServingSettings)
    if context.invoked_subcommand == check_settings.name:
        return
    configure_logs("auth_service", settings.log_level)
    url = settings.database_url.get_secret_value()
    with exit_if_unusable():
        if context.invoked_subcommand == migrate.name:
            check_database_to_migrate(url)
        else:
            check_database(url, MIGRATIONS)
    app = create_app(settings)
    install_migrations(app)
    context.with_resource(app.app_context())


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


commands.add_command(import_users)
commands.add_command(export_users)


@commands.command()
@click.argument("email")
@click.option("--staff", is_flag=True, help="Grant the role `staff`.")
def create_user(email: str, staff: bool) -> None:
    """Register EMAIL. The password is read from the terminal or from standard input."""
    if len(email) > MAX_EMAIL or not is_email(email):
        raise click.ClickException(f"{email!r} is not a valid e-mail address")
    app_services = services()
    password = _read_new_password(app_services, email)
    new_user = NewUser(email, app_services.passwords.hash(password), roles=STAFF if staff else "")
    try:
        user = app_services.users.register(new_user, app_services.clock())
    except EmailTaken as error:
        raise click.ClickException(f"a user {email} already exists") from error
    click.echo(f"created {user.email} as {user.id}")


@commands.command()
@click.argument("email")
@click.argument("role")
def grant(email: str, role: str) -> None:
    """Give the user EMAIL the role ROLE and end its sessions, whose tokens have the old roles."""
    if not role.isascii() or not role.isprintable() or len(role.split()) != 1:
        raise click.ClickException(f"{role!r} is not a valid role: it must be one word of ASCII characters")
    user = _user(email)
    _set_roles(user, [*(other for other in user.roles.split() if other != role), role])


@commands.command()
@click.argument("email")
@click.argument("role")
def revoke_role(email: str, role: str) -> None:
    """Take the role ROLE from the user EMAIL and end its sessions, whose tokens have the role."""
    user = _user(email)
    if role not in user.roles.split():
        raise click.ClickException(f"{user.email} does not have the role {role!r}")
    _set_roles(user, [other for other in user.roles.split() if other != role])


@commands.command()
@click.argument("email")
def deactivate(email: str) -> None:
    """Forbid EMAIL to log in and end its sessions."""
    user = _user(email)
    ended = services().users.deactivate(user, services().clock())
    click.echo(f"deactivated {user.email}; {ended} sessions ended")


@commands.command()
@click.argument("email")
def activate(email: str) -> None:
    """Let EMAIL log in again."""
    user = _user(email)
    services().users.activate(user, services().clock())
    click.echo(f"activated {user.email}")


def _read_new_password(app_services: Services, email: str) -> str:
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline()
    password = str(password).strip()
    complaints = app_services.password_rules.complaints(password, email)
    if len(password) > MAX_PASSWORD:
        complaints = [f"The password is longer than {MAX_PASSWORD} characters."]
    if complaints:
        raise click.ClickException(" ".join(complaints))
    return password


def _user(email: str) -> User:
    user = services().users.find_by_email(email)
    if user is None:
        raise click.ClickException(f"there is no user {email}")
    return user


def _set_roles(user: User, roles: Sequence[str]) -> None:
    if len(" ".join(roles)) > MAX_ROLES:
        raise click.ClickException(f"the roles of {user.email} would exceed {MAX_ROLES} characters")
    ended = services().users.set_roles(user, roles, services().clock())
    click.echo(f"{user.email} now has the roles: {' '.join(roles) or 'none'}; {ended} sessions ended")
