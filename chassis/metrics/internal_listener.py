"""Serve GET /metrics on an internal address of a gunicorn service, in a thread of its own.

gunicorn binds the address, as the last of its addresses. Each worker takes it out of the sockets on which it accepts
requests, so the public address never serves metrics, and the internal address serves nothing else. Metrics are also
served while all threads of the workers are busy.
"""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chassis.metrics.service_metrics import ServiceMetrics

UPDATE_SECONDS = 1.0
"""Seconds between two updates of the gauges that a worker sets about itself."""
CLIENT_TIMEOUT_SECONDS = 5.0
"""A client that neither sends nor reads for so long is disconnected."""


def addresses(public: str, internal: str) -> list[str]:
    """Return the addresses that gunicorn binds: `public`, and `internal` unless it is empty."""
    return [public, internal] if internal else [public]


def serve_metrics(worker: Any) -> None:
    """Serve the metrics of a worker's application on its internal address, if it has one (for post_worker_init)."""
    # Imported in the worker, because prometheus_client must not be imported before prepare_metrics.
    from chassis.metrics.service_metrics import metrics_of

    if len(worker.sockets) < 2:
        return
    metrics = metrics_of(worker.wsgi)
    *worker.sockets, internal = worker.sockets
    server = _MetricsServer(internal.sock, metrics)
    threading.Thread(target=server.serve_forever, args=(UPDATE_SECONDS,), name="metrics", daemon=True).start()


class _MetricsServer(ThreadingMixIn, HTTPServer):
    """Serves on a socket that is bound already. The workers share it, and one of them accepts each connection."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, metrics: "ServiceMetrics") -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.metrics = metrics
        self._updated_at = 0.0

    def service_actions(self) -> None:
        """Update the gauges of the worker. The server calls this after each request and each pause."""
        now = time.monotonic()
        if now >= self._updated_at + UPDATE_SECONDS:
            self._updated_at = now
            self.metrics.run_every_second()


class _Handler(BaseHTTPRequestHandler):
    server: _MetricsServer
    timeout = CLIENT_TIMEOUT_SECONDS

    def do_GET(self) -> None:
        """Answer /metrics; every other path is 404."""
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
            return
        body, content_type = self.server.metrics.render()
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """Return the value of Server."""
        return "sallyport"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the overridden parameter
        """Log nothing: a scrape comes every few seconds."""
