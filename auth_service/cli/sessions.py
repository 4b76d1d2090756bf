"""`sessions`: list and end the sessions of a user."""

import click

from auth_service.api.models.sessions import SessionResponse
from auth_service.cli.arguments import find_user, user_argument
from auth_service.cli.output import confirm, json_option, print_list, print_result, yes_option
from auth_service.services import services

_COLUMNS = ("id", "last_used_at", "created_at", "address", "device")


@click.group()
def sessions() -> None:
    """List and end the sessions of a user. USER is an e-mail address or an id."""


@sessions.command("list")
@user_argument
@json_option
def list_sessions(user: str, as_json: bool) -> None:
    """List the live sessions of USER, the most recently used first."""
    live = services().sessions.live_sessions(find_user(user).id, services().clock())
    rows = [SessionResponse.of(session, current="").model_dump(mode="json", exclude={"current"}) for session in live]
    print_list(rows, _COLUMNS, as_json=as_json)


@sessions.command()
@user_argument
@click.argument("session", required=False)
@click.option("--all", "is_all", is_flag=True, help="End every session of USER.")
@yes_option
@json_option
def end(user: str, session: str | None, is_all: bool, is_confirmed: bool, as_json: bool) -> None:
    """End the session with the id SESSION of USER, or with --all every session. Its tokens are refused at once."""
    if (session is None) is not is_all:
        raise click.UsageError("name a SESSION, or --all")
    found = find_user(user)
    if session is None:
        confirm(f"End every session of {found.email}?", is_confirmed=is_confirmed)
        ended = services().administration.end_sessions(found)
    elif services().administration.end_session(found, session):
        ended = 1
    else:
        raise click.ClickException(f"SESSION: {found.email} has no live session {session}")
    row = {"id": str(found.id), "email": found.email, "sessions_ended": ended}
    print_result(f"ended {ended} sessions of {found.email}", row, as_json=as_json)
