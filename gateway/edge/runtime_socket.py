"""A client of HAProxy's runtime socket (HAProxy Management Guide 9.3)."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

TIMEOUT_SECONDS = 2.0
"""Time for one command."""

_RELOAD_CHECKS, _RELOAD_CHECK_SECONDS = 20, 0.05

_PROMPT = b"\n> "
_PAYLOAD_BYTES = 8_192
"""Size of one payload. HAProxy reads a command and its payload into one buffer of 16 KB."""


class SocketFailed(OSError):
    """HAProxy cannot be reached, or does not answer."""


class RuntimeSession:
    """One connection. All its commands are executed by the same process, whether HAProxy reloads or not."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def run(self, command: str, payload: Iterable[str] = ()) -> str:
        """Return the response to `command`; empty for one that changes a map. Raises SocketFailed."""
        lines = list(payload)
        text = "\n".join((f"{command} <<", *lines, "")) if lines else command
        self._writer.write(f"{text}\n".encode())
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._writer.drain()
                response = await self._reader.readuntil(_PROMPT)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise SocketFailed(str(error) or type(error).__name__) from error
        return response[: -len(_PROMPT)].decode("utf-8", "replace").strip("\n+ ")

    async def add(self, map_file: Path, lines: Iterable[str], version: str = "") -> None:
        """Add `lines`, each a key and a value, to a map, or to a version of it. Raises SocketFailed."""
        command = f"add map {version} {map_file}" if version else f"add map {map_file}"
        for part in _parts(lines):
            if error := await self.run(command, part):
                raise SocketFailed(f"{command}: {error}")

    async def replace(self, map_file: Path, lines: Iterable[str]) -> None:
        """Replace the content of a map in one step. Raises SocketFailed."""
        created = await self.run(f"prepare map {map_file}")
        number = created.rpartition(" ")[2]
        if not number.isdigit():
            raise SocketFailed(f"prepare map {map_file}: {created}")
        await self.add(map_file, lines, f"@{number}")
        if error := await self.run(f"commit map @{number} {map_file}"):
            raise SocketFailed(f"commit map {map_file}: {error}")


@asynccontextmanager
async def runtime_session(path: Path) -> AsyncIterator[RuntimeSession]:
    """Connect to the socket at `path`. Raises SocketFailed."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(path))
    except OSError as error:
        raise SocketFailed(str(error) or type(error).__name__) from error
    try:
        session = RuntimeSession(reader, writer)
        await session.run("prompt")
        yield session
    finally:
        writer.close()


async def reload(master_socket: Path, socket: Path) -> None:
    """Make HAProxy's master reload the configuration, and wait for the new process. Raises SocketFailed.

    `socket` is the runtime socket. If the configuration is invalid, the old process goes on, and the wait ends after
    a second.
    """
    before = await _process_id(socket)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            _, writer = await asyncio.open_unix_connection(str(master_socket))
            writer.write(b"reload\n")
            await writer.drain()
            writer.close()
    except OSError as error:
        raise SocketFailed(str(error) or type(error).__name__) from error
    for _ in range(_RELOAD_CHECKS):
        await asyncio.sleep(_RELOAD_CHECK_SECONDS)
        with suppress(SocketFailed):  # while the processes change
            if await _process_id(socket) != before:
                return


async def _process_id(socket: Path) -> str:
    async with runtime_session(socket) as session:
        lines = (await session.run("show info")).splitlines()
    return next((line for line in lines if line.startswith("Pid:")), "")


def _parts(lines: Iterable[str]) -> Iterable[list[str]]:
    part: list[str] = []
    size = 0
    for line in lines:
        if part and size + len(line) + 1 > _PAYLOAD_BYTES:
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line) + 1
    if part:
        yield part
