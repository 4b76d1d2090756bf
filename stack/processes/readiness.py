"""Wait until a started process is ready."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from stack.address import Address, Port

RETRY_SECONDS = 0.01
RESPONSE_TIMEOUT_SECONDS = 2.0
MAX_RESPONSE_BYTES = 4096


class NotReadyInTime(Exception):
    """A process did not become ready in time. The message contains its last response."""


async def wait_for_readiness(name: str, get_problem: Callable[[], Awaitable[str | None]], seconds: float) -> None:
    """Call `get_problem` until it returns None. Raises NotReadyInTime, with the last problem, after `seconds`."""
    deadline = time.monotonic() + seconds
    while (last := await get_problem()) is not None:
        if time.monotonic() > deadline:
            raise NotReadyInTime(f"{name} is not ready after {seconds:.0f} s: {last}")
        await asyncio.sleep(RETRY_SECONDS)


async def redis_problem(address: Address) -> str | None:
    """Return None if the server replies PONG to PING, else its reply (LOADING while it loads its file)."""
    response = await _request(address, b"PING\r\n")
    return None if response.startswith(b"+PONG") else response.decode("ascii", "replace").strip()


async def listening_problem(address: Address) -> str | None:
    """Return None if a server listens on the address, else why not."""
    try:
        _, writer = await _connect(address)
    except OSError as error:
        return f"it does not listen ({type(error).__name__})"
    writer.close()
    return None


async def http_problem(address: Address, path: str) -> str | None:
    """Return None if the status of GET `path` is 200, else the response, which names what is not ready."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    response = await _request(address, request.encode())
    head, _, body = response.decode("utf-8", "replace").partition("\r\n\r\n")
    return None if head.split(" ")[1:2] == ["200"] else f"{head.partition(chr(13))[0]} {body}".strip()


async def _request(address: Address, request: bytes) -> bytes:
    """Return the response, or a text with the reason why there is none."""
    try:
        async with asyncio.timeout(RESPONSE_TIMEOUT_SECONDS):
            reader, writer = await _connect(address)
            try:
                writer.write(request)
                return await reader.read(MAX_RESPONSE_BYTES) or b"no response (connection closed)"
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        return f"no response ({type(error).__name__})".encode()


async def _connect(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(address, Port):
        return await asyncio.open_connection(address.reachable_host.strip("[]"), address.number)
    return await asyncio.open_unix_connection(str(address.path))
