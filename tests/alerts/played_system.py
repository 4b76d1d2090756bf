"""The running system in which faults are played, and services that fail."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.alerts.alert_rules import ROOT
from tests.faults.support.running_system import RunningSystem, running_system
from tests.ports import free_port
from tests.system.support.running_stack import Account, Client, Tokens

# One worker each, so that a fault reaches all of them. Hashing takes long enough to fill a queue of one.
SETTINGS = {
    "GATEWAY_WORKERS": "1",
    "GATEWAY_STREAMS": "1",
    "AUTH_WORKERS": "1",
    "RATE_LIMITS": "on",
    "REFRESH_GRACE": "0",
    "HASH_CONCURRENCY": "1",
    "HASH_QUEUE": "1",
    "ARGON2_MEMORY_COST": "32768",
    "ARGON2_TIME_COST": "4",
    "SMTP_HOST": "127.0.0.1",
    "SMTP_SECURITY": "none",
    "MAIL_FROM": "sallyport@example.com",
    # Nothing listens on this port, so every webhook waits.
    "WEBHOOKS": 'endpoints.silent = {url = "http://127.0.0.1:9/", events = ["user.created"], '
    'secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYq="]}',
    "CLAIMS_HOOK": "tests.alerts.claims:claims_for",
}

ROUTES = """
[upstreams.nobody]
urls = ["http://127.0.0.1:{closed}"]

[upstreams.half]
urls = ["http://127.0.0.1:{closed}", "http://127.0.0.1:{silent}"]
break_after = 0

[upstreams.silent]
urls = ["http://127.0.0.1:{silent}"]
max_connections = 1

[[routes]]
prefix = "/nobody/"
upstream = "nobody"
access = "public"

[[routes]]
prefix = "/half/"
upstream = "half"
access = "public"
timeout = {{ connect = 1, read = 1, total = 1 }}

[[routes]]
prefix = "/silent/"
upstream = "silent"
access = "public"
timeout = {{ connect = 1, read = 15, total = 15 }}

[[routes]]
prefix = "/queued/"
upstream = "notes"
access = "public"
max_concurrent = 1
queue = 100
max_wait = 10

[[routes]]
prefix = "/limited/"
upstream = "notes"
access = "public"
limits = [{{ per = "address", rate = "1000/minute" }}]
"""


@dataclass(slots=True)
class PlayedSystem:
    """A running system, its routes file, and a user who is logged in."""

    system: RunningSystem
    routes: Path
    account: Account
    tokens: Tokens

    @property
    def client(self) -> Client:
        """Return a new client of the gateway."""
        return self.system.client()

    def internal_sockets(self) -> dict[str, str]:
        """Return the internal socket of each service."""
        processes = {
            "gateway": self.system.gateway,
            "auth": self.system.auth,
            "resource": self.system.resource,
        }
        return {
            name: process.command.environ[f"{name.upper()}_INTERNAL_BIND"].removeprefix("unix:")
            for name, process in processes.items()
        }


@contextmanager
def played_system(folder: Path) -> Iterator[PlayedSystem]:
    """Run the system with routes to services that fail."""
    routes = folder / "routes.toml"
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts connections and never answers
        more = ROUTES.format(closed=free_port(), silent=silent.getsockname()[1])
        routes.write_text((ROOT / "gateway" / "routes.toml").read_text() + more)
        with running_system(gateways=1, GATEWAY_ROUTES=str(routes), SMTP_PORT=str(free_port()), **SETTINGS) as system:
            client = system.client()
            account = client.register()
            yield PlayedSystem(system, routes, account, client.login(account))
