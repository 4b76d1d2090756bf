"""Hundreds of clients that send their requests byte by byte."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice


@dataclass(frozen=True, slots=True)
class Kept:
    """How many seconds a server kept a slow client, and its response."""

    kind: str
    seconds: float
    said: bytes


def slow_bodies(path: str, *fields: str) -> dict[str, tuple[bytes, bytes]]:
    """Requests for `path` whose bodies never end: how each begins, and the drop that follows for ever."""
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


async def drip(port: int, kind: str, begin: bytes, drop: bytes, pause: float) -> Kept:
    """Sends `begin`, then `drop` every `pause` seconds until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    heard = asyncio.ensure_future(reader.read())
    writer.write(begin)
    while not heard.done():
        await asyncio.wait({heard}, timeout=pause)
        writer.write(drop)
    writer.close()
    said = b"" if heard.exception() else heard.result()
    return Kept(kind, time.monotonic() - began, said)


async def crowd(port: int, kinds: Mapping[str, tuple[bytes, bytes]], number: int, pause: float) -> Sequence[Kept]:
    """So many at once, of each kind as many as of the others; returns when the last one was let go."""
    each = islice(cycle(kinds.items()), number)
    return await asyncio.gather(*(drip(port, kind, begin, drop, pause) for kind, (begin, drop) in each))
