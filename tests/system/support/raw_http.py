"""Send requests that client libraries refuse to send, over TCP or a unix socket."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT = 30
"""Seconds."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response; field names are in lower case."""

    status: int
    body: bytes
    fields: Mapping[str, str]

    @property
    def challenge(self) -> str:
        """Return WWW-Authenticate, or an empty string."""
        return self.fields.get("www-authenticate", "")


def send_raw(address: str | Path, request_line: str, *headers: str, body: bytes = b"") -> HttpResponse:
    """Send exactly these lines, and Host, Content-Length and Connection: close, to a URL or a unix socket."""
    lines = [request_line, "Host: localhost", *headers, f"Content-Length: {len(body)}", "Connection: close", "", ""]
    with _connect(address) as connection:
        connection.sendall("\r\n".join(lines).encode("latin-1") + body)
        response = HTTPResponse(connection)
        response.begin()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return HttpResponse(response.status, response.read(), fields)


def _connect(address: str | Path) -> socket.socket:
    if isinstance(address, str):
        parts = urlsplit(address)
        return socket.create_connection((parts.hostname or "", parts.port or 80), TIMEOUT)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(TIMEOUT)
    connection.connect(str(address))
    return connection
