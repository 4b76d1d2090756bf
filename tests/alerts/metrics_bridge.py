"""Serve the metrics of a Unix socket on a TCP port of loopback, because Prometheus scrapes TCP only."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TIMEOUT_SECONDS = 2.0


@contextmanager
def bridge(path: Path) -> Iterator[str]:
    """Forward GET /metrics to the socket at `path`, and yield `host:port`. The response is 502 if nothing answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(ConnectionError):  # Prometheus waits for a second only
                try:
                    response = _get(path)
                except OSError:  # TimeoutError is a subclass
                    self.send_error(502)
                    return
                self.wfile.write(response)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the parameter
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _get(path: Path) -> bytes:
    response = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT_SECONDS)
        connection.connect(str(path))
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        while received := connection.recv(65_536):
            response += received
    return response
