"""A real WebSocket server on loopback that runs a script for each connection."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from tests.gateway.raw_upstream import WAIT

Script = Callable[[ServerConnection], None]


def echo(connection: ServerConnection) -> None:
    """Send every message back."""
    for message in connection:
        connection.send(message)


@dataclass(slots=True)
class AcceptedConnection:
    """A connection; `over` is set when it has closed."""

    connection: ServerConnection
    over: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class WebSocketService:
    """The service. `connections` are those since the last `begin`."""

    url: str = ""
    script: Script = echo
    connections: list[AcceptedConnection] = field(default_factory=list)

    def begin(self, script: Script = echo) -> None:
        """Clear `connections`, and run `script` for the next ones."""
        self.script = script
        self.connections = []

    def serve(self, connection: ServerConnection) -> None:
        """Run the script for one connection, then close it."""
        accepted = AcceptedConnection(connection)
        self.connections.append(accepted)
        with suppress(ConnectionClosed):
            self.script(connection)
        connection.close()
        accepted.over.set()

    def last(self) -> AcceptedConnection:
        """Return the newest connection; wait for one, because it is listed only after its handshake."""
        deadline = time.monotonic() + WAIT
        while not self.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.connections[-1]

    def last_close(self) -> tuple[int | None, str | None]:
        """Return the close code and reason of the newest connection."""
        newest = self.last()
        assert newest.over.wait(WAIT)
        return newest.connection.close_code, newest.connection.close_reason


@contextmanager
def websocket_service(script: Script = echo, **options: object) -> Iterator[WebSocketService]:
    """Run a service until the block ends."""
    service = WebSocketService(script=script)
    with serve(service.serve, "127.0.0.1", 0, close_timeout=1, **options) as server:  # type: ignore[arg-type]
        host, port = server.socket.getsockname()[:2]
        service.url = f"http://{host}:{port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield service
        finally:
            for accepted in service.connections:
                accepted.connection.close_socket()
            server.shutdown()
            thread.join(WAIT)
