"""Hundreds of clients that send their requests byte by byte."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice


@dataclass(frozen=True, slots=True)
class SlowClient:
    """How many seconds a server kept a slow client, and its response."""

    kind: str
    seconds: float
    response: bytes


def slow_bodies(path: str, *fields: str) -> dict[str, tuple[bytes, bytes]]:
    """Return requests for `path` with endless bodies: the beginning of each, and the bytes that follow repeatedly."""
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


async def drip(port: int, kind: str, begin: bytes, drop: bytes, pause: float) -> SlowClient:
    """Send `begin`, then `drop` every `pause` seconds until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    start = time.monotonic()
    received = asyncio.ensure_future(reader.read())
    writer.write(begin)
    while not received.done():
        await asyncio.wait({received}, timeout=pause)
        writer.write(drop)
    writer.close()
    response = b"" if received.exception() else received.result()
    return SlowClient(kind, time.monotonic() - start, response)


async def crowd(
    port: int, kinds: Mapping[str, tuple[bytes, bytes]], number: int, pause: float
) -> Sequence[SlowClient]:
    """Run `number` clients at once, evenly of all kinds, until the server has closed all of them."""
    each = islice(cycle(kinds.items()), number)
    return await asyncio.gather(*(drip(port, kind, begin, drop, pause) for kind, (begin, drop) in each))
