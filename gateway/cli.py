"""Owns the operator's commands: check the routes file, and ask what a request would meet."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from chassis.serving import refuse_to_start, settings_complaints, settings_or_exit
from chassis.settings import SettingsError, load
from gateway.auth_service_address import auth_address
from gateway.pipeline.explain import Asked, answer_of, table_lines
from gateway.routing.errors import RoutesError
from gateway.routing.loader import load_routes
from gateway.settings import GatewaySettings, RoutesSettings, ServingSettings

GOOD, REFUSED, WRONG = 0, 1, 2
"""Exit statuses: as asked for; the request would not pass; the file or the question is wrong."""


@click.group()
def commands() -> None:
    """What an operator asks about the gateway, without starting it."""


@commands.command()
@click.option("--form", is_flag=True, help="Check the form of the routes alone, as in check-routes.")
def check_settings(form: bool) -> None:
    """Check everything that the gateway reads when it starts, and name all that is wrong.

    Exit status: 0 it would start, 2 it would not.
    """
    complaints = settings_complaints(os.environ, GatewaySettings, ServingSettings)
    if not complaints:
        complaints += _complaints(lambda: auth_address(load(GatewaySettings, os.environ)))
    # Of the other settings the routes file needs none, so that it is checked whatever is wrong with those.
    own = {name: os.environ.get(name, "") for name in ("APP_ENV", "DATA_DIR", "GATEWAY_ROUTES")}
    if not settings_complaints(own, RoutesSettings):
        complaints += _complaints(lambda: _load_routes(load(RoutesSettings, own), form))
    if complaints:
        refuse_to_start(SettingsError("\n".join(complaints)))


def _load_routes(settings: RoutesSettings, form: bool) -> None:
    load_routes(settings.gateway_routes, environ=os.environ, data_dir=settings.data_dir, syntax_only=form)


def _complaints(check: Callable[[], object]) -> list[str]:
    try:
        check()
    except RoutesError as error:
        return str(error).splitlines()
    return []


@commands.command()
@click.option(
    "--file", type=click.Path(path_type=Path), help="The routes file; GATEWAY_ROUTES where it is not given."
)
@click.option("--form", is_flag=True, help="Check the form alone: secrets and ${VARIABLES} need not be there.")
@click.option("--path", "target", help="Ask what a request for this path would meet, with its ?query if it has one.")
@click.option("--method", default="GET", show_default=True, help="The method of that request.")
@click.option("--role", "roles", multiple=True, help="A role of whoever asks; may be given again.")
def check_routes(file: Path | None, form: bool, target: str | None, method: str, roles: tuple[str, ...]) -> None:
    """Check the routes file, and print the routes as they would be in force.

    Needs what the gateway needs for its routes: the environment that its ${VARIABLES} name, and the identity secrets
    (in DATA_DIR, or in variables); or --form. The gateway's own endpoints, as /session/ and /healthz, go before every
    route and are not shown.

    \b
    Exit status:
      0  the file is good, and the request (if one was asked for) would pass
      1  the request would be refused to everybody, or to somebody with the given roles
      2  the file is wrong: every complaint is on stderr, with its line
    """
    settings = settings_or_exit(RoutesSettings, os.environ)
    file = file or settings.gateway_routes
    try:
        table = load_routes(file, environ=os.environ, data_dir=settings.data_dir, syntax_only=form)
    except RoutesError as error:
        click.echo(str(error), err=True)
        sys.exit(WRONG)
    if target is None:
        click.echo("\n".join(table_lines(table, str(file))))
        return
    answer = answer_of(table, Asked(method.upper(), target, roles))
    click.echo("\n".join(answer.lines))
    sys.exit(GOOD if answer.passes else REFUSED)
