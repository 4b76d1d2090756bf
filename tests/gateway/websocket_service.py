"""A real WebSocket server on loopback, by a library of its own, that does what a script says."""

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
    """Says back what it hears."""
    for message in connection:
        connection.send(message)


@dataclass(slots=True)
class Meeting:
    """One connection, and how it ended as the service saw it."""

    connection: ServerConnection
    over: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class WebSocketService:
    """`meetings` are the connections since the last `begin`."""

    url: str = ""
    script: Script = echo
    meetings: list[Meeting] = field(default_factory=list)

    def begin(self, script: Script = echo) -> None:
        """Forgets who came, and does from now on what `script` says."""
        self.script = script
        self.meetings = []

    def meet(self, connection: ServerConnection) -> None:
        """Serves one connection."""
        meeting = Meeting(connection)
        self.meetings.append(meeting)
        with suppress(ConnectionClosed):
            self.script(connection)
        connection.close()
        meeting.over.set()

    def last(self) -> Meeting:
        """The newest connection; its handshake is answered before the service's own thread knows of it."""
        deadline = time.monotonic() + WAIT
        while not self.meetings and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.meetings[-1]

    def last_end(self) -> tuple[int | None, str | None]:
        """Code and reason with which the newest connection ends."""
        newest = self.last()
        assert newest.over.wait(WAIT)
        return newest.connection.close_code, newest.connection.close_reason


@contextmanager
def websocket_service(script: Script = echo, **options: object) -> Iterator[WebSocketService]:
    """A server until the block ends."""
    service = WebSocketService(script=script)
    with serve(service.meet, "127.0.0.1", 0, close_timeout=1, **options) as server:  # type: ignore[arg-type]
        host, port = server.socket.getsockname()[:2]
        service.url = f"http://{host}:{port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield service
        finally:
            for meeting in service.meetings:
                meeting.connection.close_socket()
            server.shutdown()
            thread.join(WAIT)
