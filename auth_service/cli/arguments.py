"""The arguments that several commands have: a user, roles, a new password."""

import sys
from uuid import UUID

import click

from auth_service.accounts.email_addresses import is_email
from auth_service.accounts.passwords.rules import MAX_PASSWORD
from auth_service.accounts.user import MAX_EMAIL, User
from auth_service.api.models.administration.users import AccountResponse
from auth_service.cli.output import JSON
from auth_service.services import services

user_argument = click.argument("user", metavar="USER")
"""USER is an e-mail address or the id of a user. `find_user` reads it."""


def find_user(text: str) -> User:
    """Return the user with this address or id. Exit with 1 if there is none."""
    user_id = _user_id(text)
    user = services().users.find(user_id) if user_id else services().users.find_by_email(text)
    if user is None:
        raise click.ClickException(f"USER: there is no user {text}")
    return user


def describe(user: User) -> JSON:
    """Return the members of a user, as the admin API has them."""
    account = services().directory.find(user.id)
    if account is None:
        raise click.ClickException(f"USER: {user.email} was deleted meanwhile")
    return AccountResponse.of(account).model_dump(mode="json")


def check_email(email: str) -> str:
    """Return the address of a new user. Exit with 2 if it is not valid."""
    if len(email) > MAX_EMAIL or not is_email(email):
        raise click.BadParameter(f"{email!r} is not a valid e-mail address", param_hint="EMAIL")
    return email


def read_new_password(email: str, first_name: str = "", last_name: str = "") -> str:
    """Read a new password from the terminal, or the first line of standard input. Exit with 1 if it breaks a rule."""
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline()
    password = str(password).strip()
    rules = services().password_rules
    complaints = rules.complaints(password, email, first_name=first_name, last_name=last_name)
    if len(password) > MAX_PASSWORD:
        complaints = [f"The password is longer than {MAX_PASSWORD} characters."]
    if complaints:
        raise click.ClickException(f"password: {' '.join(complaints)}")
    return password


def _user_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
