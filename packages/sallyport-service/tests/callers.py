"""Call WSGI and ASGI applications with header fields exactly as given, which test clients do not allow."""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

Fields = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """A response. The names of `headers` are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


Call = Callable[..., Answer]


def wsgi_caller(application: Any) -> Call:
    """Return a function that calls a WSGI application as gunicorn does: repeated fields are joined with a comma."""

    def call(path: str, fields: Fields = (), method: str = "GET") -> Answer:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": "0",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(),
            "wsgi.errors": BytesIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in fields:
            key = f"HTTP_{name.upper().replace('-', '_')}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        started: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            started.update(status=int(status.split()[0]), headers={name.lower(): value for name, value in headers})

        chunks = application(environ, start_response)
        body = b"".join(chunks)
        if hasattr(chunks, "close"):
            chunks.close()
        return Answer(started["status"], started["headers"], body)

    return call


def asgi_caller(application: Any) -> Call:
    """Return a function that calls an ASGI application."""

    def call(path: str, fields: Fields = (), method: str = "GET") -> Answer:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in fields],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        sent = run_asgi(application, scope, [{"type": "http.request", "body": b"", "more_body": False}])
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))

    return call


def run_asgi(application: Any, scope: dict[str, Any], received: list[dict[str, Any]]) -> list[Any]:
    """Run an ASGI application on one scope, and return the messages that it sends."""
    sent: list[Any] = []
    queue = list(received)

    async def main() -> None:
        async def receive() -> dict[str, Any]:
            if queue:
                return queue.pop(0)
            await asyncio.sleep(3600)  # the client stays connected
            raise AssertionError

        async def send(message: Any) -> None:
            sent.append(message)

        await asyncio.wait_for(application(scope, receive, send), 10)

    asyncio.run(main())
    return sent


def web_socket(path: str, fields: Fields = (), *, can_deny: bool = False) -> dict[str, Any]:
    """Return the scope of a WebSocket. `can_deny`: the server supports the Websocket Denial Response extension."""
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in fields],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}} if can_deny else None,
    }
