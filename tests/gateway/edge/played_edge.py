"""HAProxy with the edge's configuration, a service, and a gateway that accepts everything.

Because this gateway accepts every token, each check that HAProxy makes is needed: what it does not refuse to decide,
reaches the service.
"""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chassis.settings import load
from gateway.edge.folder import EdgeFolder
from gateway.edge.listener import listener
from gateway.edge.runtime_socket import runtime_session
from gateway.edge.verification_key_files import write_key_files
from gateway.edge.writer import write_edge
from gateway.routing.loader import parse_routes
from gateway.settings import GatewaySettings
from gateway.tokens.jwks import read_jwks
from tests.gateway.access_tokens import IDENTITY_SECRET, PEER_SECRET, SigningKey, jwks
from tests.gateway.raw_client import RawClient, RawResponse
from tests.gateway.raw_upstream import RawUpstream, answering, ok
from tests.ports import free_port

HAPROXY = shutil.which("haproxy", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))

ENVIRON = {"RESOURCE_URL": "http://127.0.0.1:1", "AUTH_URL": "http://127.0.0.1:1", "NOTES_SECRET": IDENTITY_SECRET}


def edge_settings(**changed: str) -> GatewaySettings:
    """Return the settings of a gateway behind an edge."""
    given = {
        "AUTH_URL": "http://127.0.0.1:1",
        "REDIS_URL": "redis://127.0.0.1:1",
        "PEER_SECRET": PEER_SECRET,
        "ALLOWED_ORIGINS": "https://app.example,capacitor://localhost",
        **changed,
    }
    return load(GatewaySettings, given)


def write_played_edge(
    folder: Path,
    routes: str,
    *,
    port: int,
    gateway: int,
    environ: dict[str, str],
    certificate: Path | None = None,
    **settings: str,
) -> EdgeFolder:
    """Write the folder of an edge that listens on `port`."""
    given, target = edge_settings(**settings), EdgeFolder(folder)
    table = parse_routes(routes, environ=environ, data_dir=folder, login_url=given.login_url)
    listening = listener([f"127.0.0.1:{port}"], [f"127.0.0.1:{gateway}"], certificate, 1)
    write_edge(target, table, given, listening)
    return target


def check(folder: EdgeFolder) -> str:
    """Return what `haproxy -c` says about a configuration; fail if it is invalid or there is a warning."""
    command = [str(HAPROXY), "-c", "-dW", "-f", str(folder.path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


@dataclass(slots=True)
class PlayedEdge:
    """A running HAProxy, and the two servers behind it."""

    port: int
    folder: EdgeFolder
    service: RawUpstream
    gateway: RawUpstream

    def connect(self) -> RawClient:
        """Return a new connection to the edge."""
        return RawClient(self.port)

    def send(self, *lines: str, body: bytes = b"") -> RawResponse:
        """Send a request on a connection of its own."""
        with self.connect() as client:
            return client.request(*lines, body=body)

    def decides(self, *lines: str, body: bytes = b"") -> bool:
        """Send a request twice, and return whether the edge decided the second one itself."""
        self.send(*lines, body=body)
        return self.send(*lines, body=body).body == b"service"

    def set_map(self, file: Path, *lines: str) -> None:
        """Replace the content of a map."""

        async def replace() -> None:
            async with runtime_session(self.folder.socket) as session:
                await session.replace(file, lines)

        asyncio.run(replace())

    def set_valid(self, seconds: float = 1_000) -> None:
        """Let the edge decide requests for this time."""
        self.set_map(self.folder.state_map, f"valid_until {int(time.time() + seconds)}")


SERVICE = answering(ok(b"service"))
GATEWAY = answering(ok(b"gateway"))


@contextmanager
def play_edge(
    folder: Path, routes: str, keys: Sequence[SigningKey], *, certificate: Path | None = None, **settings: str
) -> Iterator[PlayedEdge]:
    """Run an edge that knows `keys`."""
    port, service, gateway = free_port(), RawUpstream(), RawUpstream()
    service.begin(SERVICE)
    gateway.begin(GATEWAY)
    environ = {**ENVIRON, "RESOURCE_URL": service.url}
    target = write_played_edge(
        folder, routes, port=port, gateway=gateway.port, environ=environ, certificate=certificate, **settings
    )
    known = read_jwks(jwks(*keys)) if keys else {}
    write_key_files(target, known)
    with (folder / "log").open("wb") as log:
        command = [str(HAPROXY), "-dMglobal", "-W", "-S", str(target.master_socket), "-f", str(folder)]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    edge = PlayedEdge(port, target, service, gateway)
    try:
        deadline = time.monotonic() + 30
        while not target.socket.exists():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        edge.set_valid()
        yield edge
    finally:
        process.terminate()
        process.wait(30)
        service.stop()
        gateway.stop()
