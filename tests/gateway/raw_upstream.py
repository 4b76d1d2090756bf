"""An upstream for tests: it records the bytes of each request and responds as a script says."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

WAIT = 30.0
"""Seconds after which a waiting test fails."""


def limit_buffers(connection: socket.socket) -> None:
    """Keep the kernel's buffers small, so that the peer's writes soon block if nothing is read."""
    for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        connection.setsockopt(socket.SOL_SOCKET, buffer, 65_536)


@dataclass(slots=True)
class RecordedRequest:
    """One request: its head with the empty line, and its body with the framing."""

    head: bytes
    connection: int
    body: bytes = b""
    closed: threading.Event = field(default_factory=threading.Event)
    """Set by `Conversation.wait_for_close` when the gateway has closed the connection."""

    @property
    def request_line(self) -> str:
        """Return the request line."""
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Return the header fields in their order, names in lower case."""
        lines = self.head.decode("latin-1").split("\r\n")[1:-2]
        return [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]

    def get(self, name: str) -> str | None:
        """Return the value of the field `name`, or None. Fail if the field came twice."""
        values = [value for known, value in self.fields if known == name.lower()]
        assert len(values) < 2, f"{name} came {len(values)} times"
        return values[0] if values else None

    def content(self) -> bytes:
        """Return the body without its framing."""
        if self.get("transfer-encoding") != "chunked":
            return self.body
        content, rest = b"", self.body
        while (size := int(rest.split(b"\r\n", 1)[0], 16)) > 0:
            rest = rest.split(b"\r\n", 1)[1]
            content, rest = content + rest[:size], rest[size + 2 :]
        return content


class Conversation:
    """One request whose head was received, and the connection on which a script responds."""

    def __init__(self, request: RecordedRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self._reader = reader
        self._writer = writer

    async def read_body(self) -> None:
        """Read the rest of the request."""
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
        """Send exactly these bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def wait_for_close(self) -> None:
        """Wait until the gateway closes the connection."""
        while await self._reader.read(65_536):
            pass
        self.request.closed.set()

    def close(self) -> None:
        """Close the connection normally: with TLS, send a close_notify before."""
        self._writer.close()

    def abort(self) -> None:
        """Close the TCP connection without a TLS close_notify."""
        self._writer.transport.abort()

    def reset(self) -> None:
        """Reset the TCP connection."""
        connection = self._writer.get_extra_info("socket")
        linger_for_no_time = b"\1\0\0\0\0\0\0\0"  # a struct linger: on, zero seconds
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_no_time)
        self._writer.transport.abort()


Script = Callable[[Conversation], Awaitable[None]]


def answering(raw: bytes, *, then_close: bool = False) -> Script:
    """Return a script that reads the whole request and responds with exactly `raw`."""

    async def script(conversation: Conversation) -> None:
        await conversation.read_body()
        await conversation.write(raw)
        if then_close:
            conversation.close()

    return script


def ok(body: bytes = b"ok", *fields: str) -> bytes:
    """Return a 200 with `body` and more header fields."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


async def resetting(conversation: Conversation) -> None:
    """Read the request and reset the connection."""
    await conversation.read_body()
    conversation.reset()


async def closing(conversation: Conversation) -> None:
    """Read the request and close the connection."""
    await conversation.read_body()
    conversation.close()


async def silent(conversation: Conversation) -> None:
    """Never respond."""
    await conversation.wait_for_close()


class RawUpstream:
    """A server on a loopback port, in a thread with its own event loop. `requests` came since the last `begin`."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._tls = tls
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._script: Script = answering(ok())
        self._connections = 0
        self._open: set[asyncio.Transport] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[RecordedRequest] = []
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)
        self._started = threading.Event()
        self.port = port
        self._thread.start()
        assert self._started.wait(WAIT)

    @property
    def url(self) -> str:
        """Return its base URL."""
        return f"http://{self._host}:{self.port}"

    @property
    def last(self) -> RecordedRequest:
        """Return the latest request."""
        return self.requests[-1]

    @property
    def connections(self) -> int:
        """Return the number of connections accepted since the start."""
        return self._connections

    @property
    def open_connections(self) -> int:
        """Return the number of open connections."""
        return len(self._tasks)

    def wait_for_open_connections(self, connections: int) -> bool:
        """Wait until this number of connections is open. Return whether that happened within WAIT seconds."""
        deadline = time.monotonic() + WAIT
        while self.open_connections != connections and time.monotonic() < deadline:
            time.sleep(0.01)  # real sockets close in another thread
        return self.open_connections == connections

    def begin(self, script: Script | None = None) -> None:
        """Forget all requests, close every connection, and respond by `script` from now on."""
        self.begin_answering(script or answering(ok()))
        self.drop_connections()
        self.requests = []

    def begin_answering(self, script: Script) -> None:
        """Respond by `script` from the next request on; connections stay open."""
        self._script = script

    def drop_connections(self) -> None:
        """Close every connection, and return when they are closed."""
        asyncio.run_coroutine_threadsafe(self._drop(), self._loop).result(WAIT)

    def stop(self) -> None:
        """Stop the server if it runs."""
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
        limit_buffers(listener)
        server = await self._loop.create_server(self._protocol, sock=listener, ssl=self._tls)
        self.port = listener.getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        await self._close_connections()

    async def _close_connections(self) -> None:
        """Cancel every handler and abort every transport, until none has appeared for 50 ms.

        A connection that was just accepted reaches its handler some iterations of the event loop later.
        """
        quiet_rounds = 0
        while quiet_rounds < 5:
            handlers = asyncio.all_tasks() - {asyncio.current_task()}
            quiet_rounds = 0 if handlers or self._open else quiet_rounds + 1
            await asyncio.sleep(0)  # a task that is cancelled before its first step closes nothing
            for handler in handlers:
                handler.cancel()
            if handlers:
                await asyncio.wait(handlers, timeout=0.1)
            for transport in tuple(self._open):
                transport.abort()
            await asyncio.sleep(0.01)

    def _protocol(self) -> asyncio.Protocol:
        return _TrackedProtocol(asyncio.StreamReader(2**17, self._loop), self._handle, self._open)

    async def _drop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0.05)  # until the handlers closed their connections

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve_connection(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await asyncio.wait([task])
        finally:
            if not writer.is_closing():
                writer.transport.abort()  # a task that was cancelled before its first step has closed nothing

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        number = self._connections
        try:
            while not writer.is_closing():
                request = RecordedRequest(await reader.readuntil(b"\r\n\r\n"), number)
                self.requests.append(request)
                await self._script(Conversation(request, reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            await _close(writer)


class _TrackedProtocol(asyncio.StreamReaderProtocol):
    """A protocol whose transport is in `open_transports` while it is open."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
        open_transports: set[asyncio.Transport],
    ) -> None:
        super().__init__(reader, handle)
        self._open_transports = open_transports
        self._tracked: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Add the transport to the set of open ones."""
        self._tracked = cast(asyncio.Transport, transport)
        self._open_transports.add(self._tracked)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the transport from the set."""
        if self._tracked is not None:
            self._open_transports.discard(self._tracked)
        super().connection_lost(exc)


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close the connection, and wait at most half a second for it."""
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(0.5):
            await writer.wait_closed()
