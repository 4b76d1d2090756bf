"""A service that sends and receives bodies of one GiB."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = 2**30
"""Bytes of a body."""
CHUNK = b"x" * 2**16

ROUTES = """
[upstreams.big]
urls = ["unix:{socket}"]
identity = false

[[routes]]
prefix = "/big/"
upstream = "big"
access = "authenticated"
methods = ["GET", "POST"]
max_body = "2GiB"
timeout = {{ connect = 1, read = 60, total = 300 }}
"""


class BigUpstream(socketserver.StreamRequestHandler):
    """A minimal service: GET returns SIZE bytes, POST returns the number of received bytes."""

    def handle(self) -> None:
        """Serve one connection, one request after the other."""
        while head := self._head():
            if head[0].startswith(b"GET"):
                self._send()
            else:
                self._count(head)

    def _head(self) -> list[bytes]:
        """Return the lines up to the empty one; none if the gateway has closed the connection."""
        lines = []
        while (line := self.rfile.readline()).strip():
            lines.append(line)
        return lines

    def _send(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        for _ in range(SIZE // len(CHUNK)):
            self.wfile.write(CHUNK)

    def _count(self, head: list[bytes]) -> None:
        (length,) = (int(line.split(b":")[1]) for line in head if line.lower().startswith(b"content-length:"))
        left = length
        while left:
            left -= len(self.rfile.read(min(left, len(CHUNK))))
        text = str(length).encode()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))


@contextmanager
def serve(path: Path) -> Iterator[None]:
    """Serve on the unix socket `path` in background threads while the block runs."""
    with socketserver.ThreadingUnixStreamServer(str(path), BigUpstream) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
