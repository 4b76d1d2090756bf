"""The gateway with a worker's server and protocol, in a thread of the test's own process."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

from uvicorn.config import Config

from gateway.server.connection_deadlines import ClientTimeouts
from gateway.server.http_protocol import ServerProtocol
from gateway.server.proxied_connection import connection_class
from gateway.worker.gunicorn_worker import GatewayServer, GatewayWorker
from gateway.worker_application import Gateway
from tests.gateway.raw_client import RawClient, single_request
from tests.gateway.raw_upstream import WAIT


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A gateway that serves at a loopback port."""

    port: int
    server: GatewayServer

    @property
    def url(self) -> str:
        """Return its base URL."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Begin the shutdown, and return when every connection is draining."""
        self.server.should_exit = True
        deadline = time.monotonic() + WAIT
        while not all(connection.draining for connection in self._connections()) and time.monotonic() < deadline:
            time.sleep(0.01)  # the server checks ten times a second

    def wait_for_clients(self, clients: int) -> bool:
        """Return whether `clients` are connected within WAIT seconds, and everything they have sent is read."""
        deadline = time.monotonic() + WAIT
        connections = self.server.server_state.connections
        while len(connections) < clients and time.monotonic() < deadline:
            time.sleep(0.005)  # real sockets: no clock to move
        arrived = len(connections) >= clients
        return arrived and single_request(self.port, "GET /healthz HTTP/1.1", "Host: gateway").status == 200

    def wait_for_at_most(self, clients: int) -> bool:
        """Return whether at most `clients` are connected within WAIT seconds."""
        deadline = time.monotonic() + WAIT
        connections = self.server.server_state.connections
        while len(connections) > clients and time.monotonic() < deadline:
            time.sleep(0.005)  # real sockets: no clock to move
        return len(connections) <= clients

    def connect(self) -> RawClient:
        """Open a connection to it."""
        return RawClient(self.port)

    def _connections(self) -> list[ServerProtocol]:
        return [cast(ServerProtocol, connection) for connection in self.server.server_state.connections]


QUICK_PROBING = ClientTimeouts(probe_delay=0.01, half_closed=0.5)
"""With these timeouts, the gateway soon checks whether a half-closed client is gone."""


@contextmanager
def running(
    app: Gateway,
    timeouts: ClientTimeouts = QUICK_PROBING,
    *,
    until: str = "/readyz",
    keep_alive: int = 75,
) -> Iterator[RunningGateway]:
    """Run `app` for the duration of the block, which begins when `until` answers 200."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    app.client_timeouts = timeouts
    protocol = connection_class(app.proxy_protocol)
    options: dict[str, Any] = {**GatewayWorker.CONFIG_KWARGS, "http": protocol, "timeout_keep_alive": keep_alive}
    server = GatewayServer(Config(app, log_config=None, **options), end_streams=app.end_streams)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="gateway", daemon=True)
    thread.start()
    try:
        _wait_until(port, until)
        yield RunningGateway(port, server)
    finally:
        server.should_exit = True
        thread.join(WAIT)
        assert not thread.is_alive()


def _wait_until(port: int, path: str) -> None:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        with suppress(ConnectionError):
            if single_request(port, f"GET {path} HTTP/1.1", "Host: gateway").status == 200:
                return
        time.sleep(0.02)  # another thread is starting: no clock to move
    raise AssertionError(f"{path} at the gateway does not answer 200")
