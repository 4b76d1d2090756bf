"""A keep-alive client connection, cheap enough for a thousand requests per second from one process."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class TimedResponse:
    """A response and its duration in seconds. Status 0: no complete response came, and `body` names the error."""

    status: int
    body: bytes
    seconds: float
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def document(self) -> Any:
        """Return the parsed JSON body."""
        return json.loads(self.body)

    @property
    def retry_after(self) -> str | None:
        """Return the Retry-After field, or None."""
        return self.headers.get("retry-after")


class Connection:
    """A connection to one gateway, for one request at a time. It is opened on demand and reopened after a loss."""

    def __init__(self, url: str, deadline: float = 30.0) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._deadline = deadline
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(
        self, method: str, path: str, *, access: str = "", document: object = None, **headers: str
    ) -> TimedResponse:
        """Send a request and return the response. A network error gives status 0.

        `_` in the name of a header is sent as `-`.
        """
        started = time.perf_counter()
        raw_request = _format_request(method, path, access, document, headers)
        try:
            async with asyncio.timeout(self._deadline):
                status, fields, body = await self._exchange(raw_request)
        except (OSError, EOFError, ValueError) as error:
            self.close()
            return TimedResponse(0, type(error).__name__.encode(), time.perf_counter() - started)
        return TimedResponse(status, body, time.perf_counter() - started, fields)

    async def __aenter__(self) -> "Connection":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def open(self) -> None:
        """Connect before the first request."""
        self._streams = await asyncio.open_connection(self._host, self._port)

    def close(self) -> None:
        """Close the connection if it is open."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None

    async def _exchange(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        if self._streams is not None and (self._streams[0].at_eof() or self._streams[1].is_closing()):
            self.close()  # the server closed it between two requests: no request is lost
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(request)
        status, fields = _read_head(await reader.readuntil(b"\r\n\r\n"))
        body = await _read_body(reader, status, fields)
        if fields.get("connection") == "close":
            self.close()
        return status, fields, body


def _format_request(method: str, path: str, access: str, document: object, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: gateway"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if access:
        lines.append(f"Authorization: Bearer {access}")
    body = b"" if document is None else json.dumps(document).encode()
    if document is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _read_head(head: bytes) -> tuple[int, dict[str, str]]:
    status_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
    fields = (line.partition(":") for line in lines)
    return int(status_line.split(" ")[1]), {name.lower(): value.strip() for name, _, value in fields}


async def _read_body(reader: asyncio.StreamReader, status: int, fields: Mapping[str, str]) -> bytes:
    if status in (204, 304):
        return b""
    if fields.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(fields.get("content-length", "0")))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return body
