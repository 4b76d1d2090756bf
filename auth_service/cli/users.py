"""`users`: create, invite, list, show and change users, and grant roles."""

from collections.abc import Callable, Sequence

import click

from auth_service.accounts.directory import AccountFilter
from auth_service.accounts.roles import InvalidRole, check_roles
from auth_service.accounts.store import EmailTaken
from auth_service.accounts.user import MAX_LANGUAGE, MAX_NAME, STAFF, AccountStatus, NewUser
from auth_service.administration.user_administration import ChangeRoles, NotInvitable, RolesConflict
from auth_service.api.models.administration.users import AccountResponse
from auth_service.api.users.users import MAX_SEARCH_WORDS
from auth_service.cli.arguments import check_email, describe, find_user, read_new_password, user_argument
from auth_service.cli.output import confirm, json_option, print_list, print_members, print_result, yes_option
from auth_service.services import services

_COLUMNS = ("email", "status", "roles", "created_at", "last_login_at", "id")


@click.group()
def users() -> None:
    """Create, list and change users. USER is an e-mail address or an id."""


def _limited(maximum: int) -> Callable[[click.Context, click.Parameter, str], str]:
    """Return a callback that exits with 2 if a text is too long or has control characters."""

    def check(_: click.Context, parameter: click.Parameter, text: str) -> str:
        if len(text) > maximum or not text.isprintable():
            raise click.BadParameter(
                f"must have at most {maximum} characters and no control characters", param=parameter
            )
        return text

    return check


first_name_option = click.option("--first-name", default="", callback=_limited(MAX_NAME))
last_name_option = click.option("--last-name", default="", callback=_limited(MAX_NAME))
language_option = click.option(
    "--language", default="", callback=_limited(MAX_LANGUAGE), help="Of mails, such as fr."
)
role_option = click.option("--role", "roles", multiple=True, help="Grant this role. Can be repeated.")


@users.command("list")
@click.option("--search", default="", help="Only users whose address or a name contains each of these words.")
@click.option("--role", default="", help="Only users with this role.")
@click.option(
    "--status", type=click.Choice([status.value for status in AccountStatus]), help="Only users with this status."
)
@click.option("--limit", default=100, type=click.IntRange(1, 100_000), show_default=True)
@click.option("--offset", default=0, type=click.IntRange(0), help="Leave out this many users.")
@json_option
def list_users(search: str, role: str, status: str | None, limit: int, offset: int, as_json: bool) -> None:
    """List users in the order of registration."""
    if len(search.split()) > MAX_SEARCH_WORDS:
        raise click.BadParameter(f"must have at most {MAX_SEARCH_WORDS} words", param_hint="--search")
    wanted = AccountFilter(search, role, AccountStatus(status) if status else None)
    page = services().directory.page(wanted, offset=offset, limit=limit)
    print_list([AccountResponse.of(found).model_dump(mode="json") for found in page], _COLUMNS, as_json=as_json)
    count = services().directory.count(wanted)
    if offset + len(page) < count:
        click.echo(f"{len(page)} of {count} users: --limit and --offset show others", err=True)


@users.command("show")
@user_argument
@json_option
def show_user(user: str, as_json: bool) -> None:
    """Show USER with the number of live sessions."""
    found = find_user(user)
    live = services().sessions.live_sessions(found.id, services().clock())
    print_members({**describe(found), "sessions": len(live)}, as_json=as_json)


@users.command("create")
@click.argument("email")
@role_option
@click.option("--staff", is_flag=True, help="Grant the role `staff`.")
@first_name_option
@last_name_option
@language_option
@json_option
def create_user(
    email: str, roles: tuple[str, ...], staff: bool, first_name: str, last_name: str, language: str, as_json: bool
) -> None:
    """Create an active user with the address EMAIL. The password is read from the terminal or from standard input."""
    checked = _checked_roles((STAFF, *roles) if staff else roles, "--role")
    check_email(email)
    password = read_new_password(email, first_name, last_name)
    password_hash = services().passwords.hash(password)
    new_user = NewUser(email, password_hash, first_name, last_name, language=language)
    try:
        user = services().administration.create(new_user, checked, by=None)
    except EmailTaken as error:
        raise click.ClickException(f"EMAIL: a user {email} already exists") from error
    print_result(f"created {user.email} as {user.id}", describe(user), as_json=as_json)


@users.command("invite")
@click.argument("email")
@role_option
@first_name_option
@last_name_option
@language_option
@click.option("--again", is_flag=True, help="Send another invitation to a user who has not accepted one.")
@json_option
def invite_user(
    email: str, roles: tuple[str, ...], first_name: str, last_name: str, language: str, again: bool, as_json: bool
) -> None:
    """Create a user with the address EMAIL, who chooses a password by a link in a mail."""
    administration = services().administration
    if again:
        user = find_user(email)
        try:
            administration.invite_again(user, by=None)
        except NotInvitable as error:
            raise click.ClickException(f"EMAIL: {email} is {user.status} and needs no invitation") from error
    else:
        checked = _checked_roles(roles, "--role")
        check_email(email)
        try:
            new_user = NewUser(email, "", first_name, last_name, language=language)
            user = administration.invite(new_user, checked, by=None)
        except EmailTaken as error:
            raise click.ClickException(
                f"EMAIL: a user {email} already exists; --again sends another invitation to an unverified user"
            ) from error
    print_result(f"invited {user.email} as {user.id}", describe(user), as_json=as_json)


@users.command()
@user_argument
@json_option
def deactivate(user: str, as_json: bool) -> None:
    """Forbid USER to log in, and end the user's sessions. No mail can lift it; `users activate` does."""
    changed = services().administration.deactivate(find_user(user), by=None)
    message = f"deactivated {changed.user.email}; {changed.sessions_ended} sessions ended"
    print_result(message, {**describe(changed.user), "sessions_ended": changed.sessions_ended}, as_json=as_json)


@users.command()
@user_argument
@json_option
def activate(user: str, as_json: bool) -> None:
    """Let USER log in, who was deactivated or has not verified the address."""
    activated = services().administration.activate(find_user(user), by=None)
    print_result(f"activated {activated.email}", describe(activated), as_json=as_json)


@users.command()
@user_argument
@yes_option
@json_option
def delete(user: str, is_confirmed: bool, as_json: bool) -> None:
    """Delete USER and the user's sessions. The audit trail stays until it is too old."""
    found = find_user(user)
    confirm(f"Delete {found.email} ({found.id})? This cannot be undone.", is_confirmed=is_confirmed)
    ended = services().administration.delete(found, by=None)
    row = {"id": str(found.id), "email": found.email, "deleted": True, "sessions_ended": ended}
    print_result(f"deleted {found.email}; {ended} sessions ended", row, as_json=as_json)


@users.command()
@user_argument
@json_option
def set_password(user: str, as_json: bool) -> None:
    """Set the password of USER, and end the user's sessions. It is read from the terminal or from standard input."""
    found = find_user(user)
    if not found.is_active:
        raise click.ClickException(f"USER: {found.email} is {found.status}; activate the user first")
    password = read_new_password(found.email, found.first_name, found.last_name)
    password_hash = services().passwords.hash(password)
    if not services().users.change_password(found, password_hash, services().clock(), keep=None):
        raise click.ClickException(f"USER: {found.email} was changed meanwhile; run the command again")
    print_result(f"set the password of {found.email}; all sessions ended", describe(found), as_json=as_json)


@users.command()
@user_argument
@click.argument("roles", nargs=-1, required=True, metavar="ROLE...")
@json_option
def grant(user: str, roles: tuple[str, ...], as_json: bool) -> None:
    """Give USER each ROLE. If that changes the roles, the sessions end, whose tokens have the old ones."""
    _checked_roles(roles, "ROLE")
    _change_roles(user, lambda held: [*held, *roles], as_json=as_json)


@users.command()
@user_argument
@click.argument("roles", nargs=-1, required=True, metavar="ROLE...")
@json_option
def revoke(user: str, roles: tuple[str, ...], as_json: bool) -> None:
    """Take each ROLE from USER, and end the sessions, whose tokens have the old roles."""
    held = find_user(user).roles.split()
    for role in roles:
        if role not in held:
            raise click.ClickException(f"ROLE: {user} does not have the role {role!r}")
    _change_roles(user, lambda held: [role for role in held if role not in roles], as_json=as_json)


def _change_roles(user: str, change: ChangeRoles, *, as_json: bool) -> None:
    found = find_user(user)
    try:
        changed = services().administration.change_roles(found.id, change, by=None)
    except InvalidRole as error:
        raise click.BadParameter(str(error), param_hint="ROLE") from error
    except RolesConflict as error:
        raise click.ClickException(f"USER: others are changing the roles of {found.email}; try again") from error
    names = " ".join(changed.user.roles.split()) or "none"
    message = f"{changed.user.email} now has the roles: {names}; {changed.sessions_ended} sessions ended"
    print_result(message, {**describe(changed.user), "sessions_ended": changed.sessions_ended}, as_json=as_json)


def _checked_roles(roles: Sequence[str], parameter: str) -> Sequence[str]:
    try:
        return check_roles(roles)
    except InvalidRole as error:
        raise click.BadParameter(str(error), param_hint=parameter) from error
