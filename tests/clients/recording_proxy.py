"""A proxy between a client and a server: it records each exchange, and plays the faults of a network."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.ports import free_port

REFRESH = "/auth/jwt/refresh/"
LOSE = "lose"
"""The server does the request; the client's connection is closed without a response."""
UNAVAILABLE = "unavailable"
"""503 with `Retry-After: 1`, before the server does anything."""

_TIMEOUT = 30
"""Seconds."""
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request of the client and the response that it got; status 0 if it was lost. Field names in lower case."""

    method: str
    path: str
    fields: dict[str, str]
    body: bytes
    status: int
    response_fields: dict[str, str]
    response_body: bytes

    def json(self) -> Any:
        """Return the body of the response."""
        return json.loads(self.response_body)


@dataclass(slots=True)
class RecordingProxy:
    """A running proxy. `faults` are played by the next requests of the path, one each."""

    url: str
    upstream: str
    exchanges: list[Exchange] = field(default_factory=list)
    _faults: list[tuple[str, str]] = field(default_factory=list)
    _barriers: dict[str, threading.Barrier] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def play(self, fault: str, path: str = REFRESH, times: int = 1) -> None:
        """Play a fault for the next requests of `path`."""
        with self._lock:
            self._faults += [(fault, path)] * times

    def gather(self, count: int, path: str = REFRESH) -> None:
        """Hold requests of `path` until `count` of them arrived, for five seconds at most; forward these in turn."""
        with self._lock:
            self._barriers[path] = threading.Barrier(count)

    def forget(self) -> None:
        """Forget the exchanges so far, and faults that nobody met."""
        with self._lock:
            self.exchanges.clear()
            self._faults.clear()
            self._barriers.clear()

    def refreshes(self) -> list[int]:
        """Return the statuses of all refreshes, in the order of their responses."""
        return [exchange.status for exchange in self.exchanges if exchange.path == REFRESH]

    def last_pair(self) -> dict[str, str]:
        """Return the tokens of the last response that had both; empty if there was none."""
        bodies = [each.json() for each in self.exchanges if each.status == 200 and b'"refresh"' in each.response_body]
        pair: dict[str, str] = bodies[-1] if bodies else {}
        return pair

    def exchange(self, method: str, path: str, fields: dict[str, str], body: bytes) -> Exchange:
        """Forward a request, or play a fault."""
        fault = self._take_fault(path)
        if fault == UNAVAILABLE:
            answer = (503, {"retry-after": "1", "content-type": "application/json"}, b'{"detail": "Try again."}')
        elif self._waited_for_others(path):
            with self._turn:
                answer = self._forward(method, path, fields, body)
        else:
            answer = self._forward(method, path, fields, body)
        if fault == LOSE:
            answer = (0, {}, b"")
        done = Exchange(method, path, fields, body, *answer)
        with self._lock:
            self.exchanges.append(done)
        return done

    def _take_fault(self, path: str) -> str:
        with self._lock:
            found = next((each for each in self._faults if each[1] == path), None)
            if found is None:
                return ""
            self._faults.remove(found)
            return found[0]

    def _waited_for_others(self, path: str) -> bool:
        with self._lock:
            barrier = self._barriers.get(path)
        if barrier is None:
            return False
        try:
            barrier.wait(30)
        except threading.BrokenBarrierError:
            return False  # the others did not come
        finally:
            with self._lock:
                self._barriers.pop(path, None)
        return True

    def _forward(
        self, method: str, path: str, fields: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        address = urlsplit(self.upstream)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_TIMEOUT)
        try:
            connection.request(method, path, body or None, {**fields, "connection": "close"})
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, content


@contextmanager
def recording_proxy(upstream: str) -> Iterator[RecordingProxy]:
    """Run a proxy to `upstream` in threads of this process while the block runs."""
    proxy = RecordingProxy(f"http://127.0.0.1:{(port := free_port())}", upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with suppress(ConnectionError):  # a client that leaves
                super().handle()

        def do(self) -> None:
            fields = {name.lower(): value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            done = proxy.exchange(self.command, self.path, fields, body)
            if done.status:
                self._reply(done)
            else:
                self.close_connection = True

        def _reply(self, done: Exchange) -> None:
            self.send_response_only(done.status)
            for name, value in done.response_fields.items():
                if name not in _HOP_BY_HOP:
                    self.send_header(name, value)
            if done.status != 204:
                self.send_header("Content-Length", str(len(done.response_body)))
            self.end_headers()
            self.wfile.write(done.response_body)

        def log_message(self, *_: object) -> None:
            """The exchanges are recorded instead."""

    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        setattr(Handler, f"do_{method}", Handler.do)
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
