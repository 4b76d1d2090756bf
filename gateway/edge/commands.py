"""The commands `gateway edge haproxy`, which writes HAProxy's configuration, and `gateway edge sync`."""

import os
import sys
from pathlib import Path

import click

from chassis.logs import configure_logs
from chassis.settings import SettingsError
from chassis.startup import refuse_to_start, settings_or_exit
from gateway.edge.decided_routes import DecidedRoutes
from gateway.edge.folder import EdgeFolder
from gateway.edge.listener import ListenerError, listener
from gateway.edge.writer import write_edge
from gateway.routing.errors import RoutesError
from gateway.routing.loader import load_routes
from gateway.settings import GatewaySettings, ServingSettings

_folder_option = click.option(
    "--folder", type=click.Path(path_type=Path), help="Folder of the configuration; default: DATA_DIR/edge."
)


@click.group()
def edge() -> None:
    """HAProxy in front of the gateway: write its configuration, and keep its maps current."""


@edge.command()
@_folder_option
@click.option("--bind", "binds", multiple=True, default=["127.0.0.1:8080"], show_default=True, help="Listen address.")
@click.option("--certificate", type=click.Path(path_type=Path), help="PEM file with chain and key: TLS and HTTP/2.")
@click.option("--gateway", "gateways", multiple=True, help="Address of a gateway; default: where this one listens.")
@click.option("--threads", type=click.IntRange(0, 64), default=0, help="Threads; 0: one for each CPU.")
def haproxy(
    folder: Path | None, binds: tuple[str, ...], certificate: Path | None, gateways: tuple[str, ...], threads: int
) -> None:
    """Write HAProxy's configuration from the settings and the routes file, and print what the edge decides.

    --bind and --gateway may be repeated. Exit status: 2 if a setting, the routes file or an option is invalid.
    """
    settings = settings_or_exit(GatewaySettings, os.environ, ServingSettings)
    serving = settings_or_exit(ServingSettings, os.environ)
    if settings.development:
        refuse_to_start(SettingsError("DEVELOPMENT must be off: the edge plays no faults"))
    target = _edge_folder(settings, folder)
    try:
        listening = listener(binds, gateways or serving.bind[:1], certificate, threads)
        table = load_routes(
            settings.gateway_routes, environ=os.environ, data_dir=settings.data_dir, login_url=settings.login_url
        )
        decided = write_edge(target, table, settings, listening)
    except (ListenerError, OSError, RoutesError) as error:
        refuse_to_start(error)
    click.echo("\n".join(_summary(decided, target)))


@edge.command()
@_folder_option
def sync(folder: Path | None) -> None:
    """Keep HAProxy's revocations and keys current until SIGTERM.

    It needs the settings of the gateway, and must run as the user of HAProxy's runtime socket. Exit status: 2 if a
    setting or the routes file is invalid.
    """
    from gateway.edge.synchronization import synchronize  # imported here, because the other commands do not need it

    settings = settings_or_exit(GatewaySettings, os.environ)
    configure_logs("edge", settings.log_level, settings.log_format)
    target = _edge_folder(settings, folder)
    if not target.configuration.exists():
        sys.stderr.write(f"{target.configuration} is missing: run `python -m gateway edge haproxy` first\n")
        sys.exit(2)
    try:
        synchronize(settings, target, os.environ)
    except (RoutesError, SettingsError) as error:
        refuse_to_start(error)


def _edge_folder(settings: GatewaySettings, folder: Path | None) -> EdgeFolder:
    return EdgeFolder(folder or settings.data_dir / "edge")


def _summary(decided: DecidedRoutes, folder: EdgeFolder) -> list[str]:
    """Return what the command prints: the decider of each route, and how to start HAProxy."""
    at_edge = [(one.route, "the edge") for one in decided.at_edge]
    at_gateway = [(route, f"the gateway: {reason}") for route, reason in decided.at_gateway]
    rows = [(route.prefix, ",".join(sorted(route.methods)), by) for route, by in (*at_edge, *at_gateway)]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    return [
        *(f"{prefix:<{widths[0]}}  {methods:<{widths[1]}}  {by}" for prefix, methods, by in rows),
        "",
        f"haproxy -dMglobal -W -S {folder.master_socket} -f {folder.path}",
    ]
