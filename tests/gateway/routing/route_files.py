"""Build the text of routes files, and parse it."""

from pathlib import Path

from gateway.routing.loader import parse_routes
from gateway.routing.routes import RouteTable
from tests.gateway.access_tokens import IDENTITY_SECRET

ENVIRON = {"AUTH_URL": "http://127.0.0.1:8001", "NOTES_SECRET": IDENTITY_SECRET, "WEAK": "changeme" * 8}
NOTES = '[upstreams.notes]\nurls = ["http://127.0.0.1:8002"]\nidentity_secret_env = "NOTES_SECRET"\n'


def parse(text: str, data_dir: Path = Path("/nonexistent")) -> RouteTable:
    """Return the table in `text`, with the variables in ENVIRON. Raises RoutesError."""
    return parse_routes(text, environ=ENVIRON, data_dir=data_dir)


def route(prefix: str = "/api/", upstream: str = "notes", access: str = '"authenticated"', rest: str = "") -> str:
    """Return a [[routes]] table."""
    return f'[[routes]]\nprefix = "{prefix}"\nupstream = "{upstream}"\naccess = {access}\n{rest}\n'
