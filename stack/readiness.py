"""Tells whether what was started is there yet."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from stack.address import Address, Port

PAUSE = 0.1
ANSWER_TIMEOUT = 2.0
ANSWER_LENGTH = 4096


class NotReady(Exception):
    """It did not become ready in time; says what was last heard."""


async def wait_for(what: str, problem: Callable[[], Awaitable[str | None]], seconds: float) -> None:
    """Asks until there is no problem. Raises NotReady, with the last one, after so many seconds."""
    deadline = time.monotonic() + seconds
    while heard := await problem():
        if time.monotonic() > deadline:
            raise NotReady(f"{what} is not ready after {seconds:.0f} s: {heard}")
        await asyncio.sleep(PAUSE)


async def redis_problem(address: Address) -> str | None:
    """None when PING is answered with PONG; while the server loads its file it answers LOADING."""
    answer = await _ask(address, b"PING\r\n")
    return None if answer.startswith(b"+PONG") else answer.decode("ascii", "replace").strip()


async def http_problem(address: Address, path: str) -> str | None:
    """None when GET `path` is answered with 200; else the answer, which says what is not ready."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = await _ask(address, request.encode())
    head, _, body = answer.decode("utf-8", "replace").partition("\r\n\r\n")
    return None if head.split(" ")[1:2] == ["200"] else f"{head.partition(chr(13))[0]} {body}".strip()


async def _ask(address: Address, request: bytes) -> bytes:
    """What came back, or in words why nothing did."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            reader, writer = await _connect(address)
            try:
                writer.write(request)
                return await reader.read(ANSWER_LENGTH)
            finally:
                writer.close()
    except (OSError, TimeoutError) as problem:
        return f"no answer ({type(problem).__name__})".encode()


async def _connect(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(address, Port):
        return await asyncio.open_connection(address.reachable_host.strip("[]"), address.number)
    return await asyncio.open_unix_connection(str(address.path))
