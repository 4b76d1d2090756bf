"""`sessions`: list the sessions of a user or of all users, and end those of a user."""

import click

from auth_service.api.models.administration.lists import OwnedSessionResponse
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


@sessions.command("recent")
@click.option("--address", default="", help="Only sessions whose log-in came from this IP address.")
@click.option("--limit", default=50, type=click.IntRange(1, 100_000), show_default=True)
@click.option("--offset", default=0, type=click.IntRange(0), help="Leave out this many sessions.")
@json_option
def recent_sessions(address: str, limit: int, offset: int, as_json: bool) -> None:
    """List the live sessions of all users, the newest log-in first."""
    found = services().sessions.newest_live(services().clock(), address=address, offset=offset, limit=limit)
    rows = [OwnedSessionResponse.of(owned).model_dump(mode="json") for owned in found]
    print_list(rows, ("email", *_COLUMNS), as_json=as_json)


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
        ended = services().administration.end_sessions(found, by=None)
    elif services().administration.end_session(found, session, by=None):
        ended = 1
    else:
        raise click.ClickException(f"SESSION: {found.email} has no live session {session}")
    row = {"id": str(found.id), "email": found.email, "sessions_ended": ended}
    print_result(f"ended {ended} sessions of {found.email}", row, as_json=as_json)
