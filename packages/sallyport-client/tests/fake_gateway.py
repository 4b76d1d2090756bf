"""A gateway with djoser's token endpoints and one resource, as a real server in a thread, with faults on demand."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LOST_BEFORE, LOST_AFTER = "the connection is closed before the request is executed", "... after it"


@dataclass
class Seen:
    """A request that arrived."""

    method: str
    path: str
    authorization: str | None
    body: bytes
    headers: dict[str, str]


@dataclass
class FakeGateway:
    """Counts what it receives. `faults` are played by the next requests to a path, in order."""

    url: str = ""
    lifetime: int = 300
    rotates: bool = True
    seen: list[Seen] = field(default_factory=list)
    faults: dict[str, list[Any]] = field(default_factory=dict)
    redirects: dict[str, tuple[int, str]] = field(default_factory=dict)
    refusal: str = 'Bearer realm="api", error="invalid_token"'
    refresh_seconds: float = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    generation: int = 0
    session: int = 0
    has_ended: bool = False
    refused: set[str] = field(default_factory=set)
    refreshes: int = 0

    def tokens(self) -> dict[str, str]:
        """Return new tokens of the current generation."""
        now = int(time.time())
        common = {"sid": f"s{self.session}", "generation": self.generation, "user_id": "u1", "iat": now}
        access = {**common, "exp": now + self.lifetime, "n": self.refreshes}
        return {"access": jwt(access), "refresh": jwt({**common, "exp": now + 10**6})}

    def expire_access_tokens(self) -> None:
        """Refuse the access tokens of all earlier generations from now on."""
        with self.lock:
            self.refused.add(str(self.refreshes))

    def count(self, path: str, method: str = "") -> int:
        """Return how many requests to `path` arrived."""
        return sum(seen.path == path and method in ("", seen.method) for seen in self.seen)

    def answer(self, seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
        """Return the response to a request; None: none is sent."""
        with self.lock:
            self.seen.append(seen)
            faults = self.faults.get(seen.path, [])
            fault = faults.pop(0) if faults else None
            if fault == LOST_BEFORE:
                return None
            if fault is not None and fault != LOST_AFTER:
                status, headers, body = fault
                return status, headers, body
            result = self.execute(seen)
        if seen.path == "/auth/jwt/refresh/":
            time.sleep(self.refresh_seconds)
        return None if fault == LOST_AFTER else result

    def execute(self, seen: Seen) -> tuple[int, dict[str, str], bytes]:
        document = json.loads(seen.body) if seen.path.startswith("/auth/") and seen.body else {}
        match seen.path:
            case "/auth/jwt/create/" if document["password"] == "right":
                self.session += 1
                self.generation, self.has_ended = 0, False
                return 200, {}, json.dumps(self.tokens()).encode()
            case "/auth/jwt/create/":
                return 401, {}, b'{"detail": "No active account found with the given credentials"}'
            case "/auth/users/" if document["password"] == "short":
                return 400, {}, b'{"password": ["This password is too short."]}'
            case "/auth/users/":
                return 201, {}, json.dumps({"id": "u1", "email": document["email"]}).encode()
            case "/auth/jwt/refresh/" | "/auth/jwt/blacklist/" | "/auth/jwt/verify/":
                return self.token_endpoint(seen.path, claims(document.get("refresh") or document["token"]))
        return self.resource(seen)

    def token_endpoint(self, path: str, presented: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        if self.has_ended or presented["sid"] != f"s{self.session}" or presented["generation"] < self.generation - 1:
            return 401, {}, b'{"detail": "Token is blacklisted", "code": "token_not_valid"}'
        if path == "/auth/jwt/blacklist/":
            self.has_ended = True
        if path != "/auth/jwt/refresh/":
            return 200, {}, b"{}"
        self.refreshes += 1
        if self.rotates and presented["generation"] == self.generation:
            self.generation += 1
        tokens = self.tokens()
        return 200, {}, json.dumps(tokens if self.rotates else {"access": tokens["access"]}).encode()

    def resource(self, seen: Seen) -> tuple[int, dict[str, str], bytes]:
        if seen.path in self.redirects:
            status, location = self.redirects[seen.path]
            return status, {"Location": location}, b""
        presented = claims((seen.authorization or "").removeprefix("Bearer "))
        if not presented:
            return 401, {"WWW-Authenticate": 'Bearer realm="api"'}, b"{}"
        if self.has_ended or presented["sid"] != f"s{self.session}" or str(presented["n"]) in self.refused:
            return 401, {"WWW-Authenticate": self.refusal} if self.refusal else {}, b"{}"
        return 200, {}, json.dumps({"length": len(seen.body)}).encode()


@contextmanager
def running(gateway: FakeGateway) -> Iterator[FakeGateway]:
    """Serve `gateway` at a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            body = self.read_body()
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = gateway.answer(Seen(self.command, self.path, headers.get("authorization"), body, headers))
            if answer is None:
                self.close_connection = True
                return
            status, fields, content = answer
            self.send_response_only(status)
            for name, value in {
                "Date": self.date_time_string(),
                "Content-Length": str(len(content)),
                **fields,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def read_body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = respond  # noqa: N815 - the names of http.server

        def log_message(self, *arguments: object) -> None:
            """Log nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    gateway.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield gateway
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def jwt(document: dict[str, Any]) -> str:
    """Return a JWT whose signature is not one: clients do not verify it."""
    return f"e30.{base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b'=').decode()}.c2ln"


def claims(token: str) -> dict[str, Any]:
    """Return the claims of `token`; empty if there are none."""
    if token.count(".") != 2:
        return {}
    payload = token.split(".")[1]
    result: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return result
