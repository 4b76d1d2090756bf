"""An upstream that records the exact bytes it is sent and answers as a script says, on a loop of its own."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

WAIT = 10.0
"""Seconds after which a test that waits has failed."""


def keep_buffers_small(connection: socket.socket) -> None:
    """Keeps the kernel from growing the buffers at our end by megabytes: whoever is not read soon notices."""
    for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        connection.setsockopt(socket.SOL_SOCKET, buffer, 65_536)


@dataclass(slots=True)
class Recorded:
    """One request as it came: its head with the empty line, and its body still framed."""

    head: bytes
    connection: int
    body: bytes = b""
    gone: threading.Event = field(default_factory=threading.Event)
    """Set once the gateway has closed the connection."""

    @property
    def request_line(self) -> str:
        """The first line."""
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The header fields, names in lower case, in their order."""
        lines = self.head.decode("latin-1").split("\r\n")[1:-2]
        return [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]

    def get(self, name: str) -> str | None:
        """The one value of the field `name`, or None."""
        values = [value for known, value in self.fields if known == name.lower()]
        assert len(values) < 2, f"{name} came {len(values)} times"
        return values[0] if values else None

    def content(self) -> bytes:
        """The body without its framing."""
        if self.get("transfer-encoding") != "chunked":
            return self.body
        content, rest = b"", self.body
        while (size := int(rest.split(b"\r\n", 1)[0], 16)) > 0:
            rest = rest.split(b"\r\n", 1)[1]
            content, rest = content + rest[:size], rest[size + 2 :]
        return content


class Conversation:
    """What a script answers with: one request that has arrived as far as its head."""

    def __init__(self, request: Recorded, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self._reader = reader
        self._writer = writer

    async def read_body(self) -> None:
        """Takes the rest of the request."""
        if self.request.get("transfer-encoding") == "chunked":
            self.request.body = b"".join([part async for part in self._chunks()])
        elif length := int(self.request.get("content-length") or 0):
            self.request.body = await self._reader.readexactly(length)

    async def _chunks(self) -> AsyncIterator[bytes]:
        size = -1
        while size:
            line = await self._reader.readuntil(b"\r\n")
            size = int(line, 16)
            yield line + await self._reader.readexactly(size + 2)

    async def write(self, data: bytes) -> None:
        """Sends exactly these bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def until_gone(self) -> None:
        """Waits for the gateway to close the connection."""
        while await self._reader.read(65_536):
            pass
        self.request.gone.set()

    def close(self) -> None:
        """Ends the connection in order."""
        self._writer.close()

    def vanish(self) -> None:
        """Ends the connection as TCP does, and says nothing of it in TLS."""
        self._writer.transport.abort()

    def reset(self) -> None:
        """Ends the connection with a reset."""
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._writer.transport.abort()


Script = Callable[[Conversation], Awaitable[None]]


def answering(raw: bytes, *, then_close: bool = False) -> Script:
    """Reads the request whole and answers with exactly `raw`."""

    async def script(conversation: Conversation) -> None:
        await conversation.read_body()
        await conversation.write(raw)
        if then_close:
            conversation.close()

    return script


def ok(body: bytes = b"ok", *fields: str) -> bytes:
    """A plain 200 with `body`."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


class RawUpstream:
    """Listens on a loopback port until it is stopped. `requests` are what came since the last `begin`."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._tls = tls
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._script: Script = answering(ok())
        self._connections = 0
        self._open: set[asyncio.Transport] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[Recorded] = []
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)
        self._started = threading.Event()
        self.port = port
        self._thread.start()
        assert self._started.wait(WAIT)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self._host}:{self.port}"

    @property
    def last(self) -> Recorded:
        """The newest request."""
        return self.requests[-1]

    @property
    def connections(self) -> int:
        """How many connections were ever made."""
        return self._connections

    @property
    def open_connections(self) -> int:
        """How many there are."""
        return len(self._tasks)

    def settles_at(self, connections: int) -> bool:
        """Whether there are soon as many connections as this."""
        deadline = time.monotonic() + WAIT
        while self.open_connections != connections and time.monotonic() < deadline:
            time.sleep(0.01)  # their end is on its way over real sockets
        return self.open_connections == connections

    def begin(self, script: Script | None = None) -> None:
        """Forgets what came, drops every connection, and answers by `script` from now on."""
        self.begin_answering(script or answering(ok()))
        self.drop_connections()
        self.requests = []

    def begin_answering(self, script: Script) -> None:
        """Answers by `script` from the next request on; connections stay."""
        self._script = script

    def drop_connections(self) -> None:
        """Closes whatever is open, and returns when it is closed."""
        asyncio.run_coroutine_threadsafe(self._drop(), self._loop).result(WAIT)

    def stop(self) -> None:
        """Ends it, if it runs."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WAIT)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        listener = socket.create_server((self._host, self.port))
        keep_buffers_small(listener)
        server = await self._loop.create_server(self._protocol, sock=listener, ssl=self._tls)
        self.port = listener.getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        for _ in range(10):  # whoever was just accepted is met in the loop's next turns
            await asyncio.sleep(0)
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.sleep(0)  # a task that is cancelled before its first step closes nothing
            for task in others:
                task.cancel()
            await asyncio.wait(others, timeout=0.1)
        for transport in tuple(self._open):  # whose task had not come to its first step
            transport.abort()
        await asyncio.sleep(0.05)  # what was aborted is closed

    def _protocol(self) -> asyncio.Protocol:
        return _Noted(asyncio.StreamReader(2**17, self._loop), self._meet, self._open)

    async def _drop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0.05)  # whoever met them closes what they left open

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._converse(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await asyncio.wait([task])
        finally:
            writer.transport.abort()  # a task that was cancelled before its first step has closed nothing

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        number = self._connections
        try:
            while not writer.is_closing():
                request = Recorded(await reader.readuntil(b"\r\n\r\n"), number)
                self.requests.append(request)
                await self._script(Conversation(request, reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            await _close(writer)


class _Noted(asyncio.StreamReaderProtocol):
    """Keeps its transport among those that are open, for as long as it is."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        meet: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
        open_ones: set[asyncio.Transport],
    ) -> None:
        super().__init__(reader, meet)
        self._open_ones = open_ones
        self._noted: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._noted = cast(asyncio.Transport, transport)
        self._open_ones.add(self._noted)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        if self._noted is not None:
            self._open_ones.discard(self._noted)
        super().connection_lost(exc)


async def _close(writer: asyncio.StreamWriter) -> None:
    """Returns when the connection is closed; one whose other end takes nothing more is given up."""
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(0.5):
            await writer.wait_closed()
