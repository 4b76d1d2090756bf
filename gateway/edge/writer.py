"""Write the folder of the edge, except for the keys, which `gateway edge sync` fetches."""

from gateway.edge.configuration import configuration_lines
from gateway.edge.decided_routes import DecidedRoutes, decide_routes
from gateway.edge.folder import EdgeFolder
from gateway.edge.identity_secrets import secret_lines
from gateway.edge.listener import Listener
from gateway.edge.verification_key_files import write_key_files
from gateway.routing.routes import RouteTable
from gateway.settings import GatewaySettings


def write_edge(folder: EdgeFolder, table: RouteTable, settings: GatewaySettings, listener: Listener) -> DecidedRoutes:
    """Write the configuration of HAProxy, and return which routes the edge decides. Raises OSError."""
    decided = decide_routes(table, settings)
    folder.prepare()
    folder.write(folder.secrets, secret_lines(table.upstreams()), private=True)
    folder.write(folder.routes_map, decided.map_lines())
    if not folder.keys.exists():
        write_key_files(folder, {})
    folder.write(folder.configuration, configuration_lines(decided, settings, listener, folder))
    return decided
