"""Many clients that send their requests byte by byte."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice


@dataclass(frozen=True, slots=True)
class SlowConnection:
    """A closed connection of a slow client: how many seconds the server kept it open, and what the server sent."""

    kind: str
    seconds: float
    response: bytes


def slow_bodies(path: str, *fields: str) -> dict[str, tuple[bytes, bytes]]:
    """Return requests for `path` whose bodies never end: the first bytes, and the bytes that are repeated."""
    head = "\r\n".join((f"POST {path} HTTP/1.1", "Host: h", "Content-Type: application/json", *fields, "")).encode()
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    return {
        f"a body for {path}": (head + b'Content-Length: 10000\r\n\r\n{"a": "', b"x"),
        f"chunks for {path}": (chunked, b"1\r\nx\r\n"),
        f"a chunk's extension for {path}": (chunked + b"5;", b"x"),
        f"trailers for {path}": (chunked + b"1\r\nx\r\n0\r\nX: ", b"x"),
    }


SLOW_HEADS = {
    "a request line": (b"GET /", b"x"),
    "a head": (b"GET / HTTP/1.1\r\nHost: h\r\nX: ", b"x"),
    "fields": (b"GET / HTTP/1.1\r\nHost: h\r\n", b"X: y\r\n"),
    "empty lines": (b"", b"\r\n"),
}
"""Heads that never end: the first bytes, and the bytes that are repeated."""


async def send_slowly(port: int, kind: str, first_bytes: bytes, repeated: bytes, pause: float) -> SlowConnection:
    """Send `first_bytes`, then `repeated` every `pause` seconds until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    received = asyncio.ensure_future(reader.read())
    writer.write(first_bytes)
    while not received.done():
        await asyncio.wait({received}, timeout=pause)
        writer.write(repeated)
    writer.close()
    response = b"" if received.exception() else received.result()
    return SlowConnection(kind, time.monotonic() - began, response)


async def run_slow_clients(
    port: int, kinds: Mapping[str, tuple[bytes, bytes]], number: int, pause: float
) -> Sequence[SlowConnection]:
    """Run `number` clients at once, with the kinds of requests in turn, until the server has closed every connection.

    Each client pauses for `pause` seconds between two writes.
    """
    clients = islice(cycle(kinds.items()), number)
    return await asyncio.gather(
        *(send_slowly(port, kind, first_bytes, repeated, pause) for kind, (first_bytes, repeated) in clients)
    )
