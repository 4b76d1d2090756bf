"""Wait until a started process is ready."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from stack.address import Address, Port

PAUSE = 0.1
ANSWER_TIMEOUT = 2.0
ANSWER_LENGTH = 4096


class NotReadyInTime(Exception):
    """A process did not become ready in time. The message holds its last answer."""


async def wait_for(what: str, problem: Callable[[], Awaitable[str | None]], seconds: float) -> None:
    """Call `problem` until it returns None. Raises NotReadyInTime, with the last problem, after `seconds`."""
    deadline = time.monotonic() + seconds
    while last := await problem():
        if time.monotonic() > deadline:
            raise NotReadyInTime(f"{what} is not ready after {seconds:.0f} s: {last}")
        await asyncio.sleep(PAUSE)


async def redis_problem(address: Address) -> str | None:
    """Return None if the server answers PING with PONG, else its answer (LOADING while it loads its file)."""
    answer = await _request(address, b"PING\r\n")
    return None if answer.startswith(b"+PONG") else answer.decode("ascii", "replace").strip()


async def http_problem(address: Address, path: str) -> str | None:
    """Return None if GET `path` gives 200, else the response, which names what is not ready."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = await _request(address, request.encode())
    head, _, body = answer.decode("utf-8", "replace").partition("\r\n\r\n")
    return None if head.split(" ")[1:2] == ["200"] else f"{head.partition(chr(13))[0]} {body}".strip()


async def _request(address: Address, request: bytes) -> bytes:
    """Return the answer, or a text that says why there is none."""
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
