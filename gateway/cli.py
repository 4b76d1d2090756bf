"""The operator's commands: check the settings, check the routes file, explain a request, write the edge."""

import os
import sys
from pathlib import Path

import click

from chassis.settings import SettingsError
from chassis.startup import refuse_to_start, settings_or_exit
from gateway.edge.commands import edge
from gateway.pipeline.explain import HypotheticalRequest, explain, table_lines
from gateway.routing.errors import RoutesError
from gateway.routing.loader import load_routes
from gateway.routing.routes import RouteTable
from gateway.settings import RoutesSettings
from gateway.startup_check import startup_problems

EXIT_OK, EXIT_REFUSED, EXIT_INVALID = 0, 1, 2
"""Exit statuses: success; check-routes would refuse the request; the file or the command line is invalid."""


@click.group()
def commands() -> None:
    """Check the gateway's configuration without starting it, and write that of the edge."""


commands.add_command(edge)


@commands.command()
@click.option("--form", is_flag=True, help="Check only the syntax of the routes, as check-routes --form does.")
def check_settings(form: bool) -> None:
    """Check everything that the gateway reads at start-up, and report every problem.

    Exit status: 0 without problems, 2 with any. Without --form, 0 means that the gateway would start; with --form,
    secrets and ${VARIABLES} of the routes file may still be missing.
    """
    if problems := startup_problems(os.environ, syntax_only=form):
        refuse_to_start(SettingsError("\n".join(problems)))


def _table(settings: RoutesSettings, file: Path, form: bool) -> RouteTable:
    return load_routes(
        file, environ=os.environ, data_dir=settings.data_dir, login_url=settings.login_url, syntax_only=form
    )


@commands.command()
@click.option("--file", type=click.Path(path_type=Path), help="The routes file; default: GATEWAY_ROUTES.")
@click.option("--form", is_flag=True, help="Check only the syntax: secrets and ${VARIABLES} need not exist.")
@click.option("--path", "target", help="Explain what a request for this path would get; may include a ?query.")
@click.option("--method", default="GET", show_default=True, help="Method of that request.")
@click.option("--role", "roles", multiple=True, help="A role of the user; may be repeated.")
def check_routes(file: Path | None, form: bool, target: str | None, method: str, roles: tuple[str, ...]) -> None:
    """Check the routes file and print its routes.

    The environment must hold the file's ${VARIABLES} and the identity secrets (in DATA_DIR or in variables), unless
    --form is given. The gateway's own endpoints, such as /session/ and /healthz, precede all routes and are not
    shown.

    \b
    Exit status:
      0  the file is valid; with --path, also: the target is acceptable and has a route for the method;
         with --role, also: a user with these roles may use the route
      1  the request would be refused for one of these reasons
      2  the file is invalid: stderr names the path of every wrong value
    """
    settings = settings_or_exit(RoutesSettings, os.environ)
    file = file or settings.gateway_routes
    try:
        table = _table(settings, file, form)
    except RoutesError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_INVALID)
    if target is None:
        click.echo("\n".join(table_lines(table, str(file))))
        return
    explanation = explain(table, HypotheticalRequest(method.upper(), target, roles))
    click.echo("\n".join(explanation.lines))
    sys.exit(EXIT_OK if explanation.passes else EXIT_REFUSED)
