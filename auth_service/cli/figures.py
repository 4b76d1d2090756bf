"""`figures`: users, live sessions, waiting mails, and log-ins of the last 24 hours."""

import click

from auth_service.administration.figures import COUNTED, HOURS
from auth_service.api.models.administration.lists import FiguresResponse
from auth_service.cli.output import json_option, print_members
from auth_service.services import services


@click.command()
@json_option
def figures(as_json: bool) -> None:
    """Print users by status, live sessions, waiting mails, and log-ins of the last 24 hours. --json has each hour."""
    found = services().figures.read()
    if as_json:
        print_members(FiguresResponse.of(found).model_dump(mode="json"), as_json=True)
        return
    row: dict[str, object] = {f"users_{status.value}": count for status, count in found.users.items()}
    row |= {"live_sessions": found.live_sessions, "mails_waiting": found.mails_waiting}
    row |= {f"{name.value} in {HOURS} hours": found.total(name) for name in COUNTED}
    print_members(row, as_json=False)
