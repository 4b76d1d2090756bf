"""A client connection without sockets, on an event loop whose clock the test moves."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from gateway.server.client_address import TrustedProxies
from gateway.server.connection_deadlines import ClientTimeouts
from gateway.server.http_protocol import ServerProtocol
from gateway.server.malformed_requests import MalformedRequests
from gateway.server.proxy_protocol import ProxyProtocol
from gateway.server.request_cycle import RequestCycle
from gateway.server.request_head_cache import RequestHeadCache


class MovableLoop:
    """The parts of an event loop that the server uses. `move` advances the clock and runs due callbacks."""

    def __init__(self) -> None:
        self._now = 1_000.0
        self._calls: list[tuple[float, Callable[[], object]]] = []

    def time(self) -> float:
        """Return the time in seconds."""
        return self._now

    def call_later(self, delay: float, callback: Callable[..., object], *args: object) -> None:
        """Run `callback` when `delay` seconds have passed."""
        self._calls.append((self._now + delay, lambda: callback(*args)))

    def call_soon(self, callback: Callable[..., object], *args: object) -> None:
        """Run `callback` at the next `move`."""
        self.call_later(0, callback, *args)

    def create_future(self) -> "asyncio.Future[None]":
        """Return a future of a loop that does not run."""
        loop = asyncio.new_event_loop()
        loop.close()
        return asyncio.Future(loop=loop)

    def move(self, seconds: float) -> None:
        """Pass `seconds`, and run the callbacks that are due."""
        self._now += seconds
        due = [call for at, call in self._calls if at <= self._now]
        self._calls = [(at, call) for at, call in self._calls if at > self._now]
        for call in due:
            call()


class MemoryTransport(asyncio.Transport):
    """Records what a protocol does with its transport."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.unsent = 0
        """Bytes in the write buffer, which the client has not read."""
        self.state = "open"
        """`open`, `eof` after write_eof, `closed` or `aborted`."""
        self._is_reading = True
        self.protocol: asyncio.BaseProtocol | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the addresses; there is no socket."""
        return ("192.0.2.1", 4_711) if name in ("peername", "sockname") else default

    def is_closing(self) -> bool:
        """Return whether `close` or `abort` was called."""
        return self.state in ("closed", "aborted")

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data`."""
        self.sent += bytes(data)

    def can_write_eof(self) -> bool:
        """Return that half-closing works, as for TCP."""
        return True

    def write_eof(self) -> None:
        """Close the sending side."""
        self.state = "eof"

    def close(self) -> None:
        """Close in order."""
        self.state = "closed"

    def abort(self) -> None:
        """Close at once."""
        self.state = "aborted"

    def get_write_buffer_size(self) -> int:
        """Return `unsent`."""
        return self.unsent

    def pause_reading(self) -> None:
        """Stop reading."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """Read again."""
        self._is_reading = True

    def is_reading(self) -> bool:
        """Return whether reading is not paused."""
        return self._is_reading

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Set the protocol that receives the events."""
        self.protocol = protocol


class MemoryApplication:
    """An application that keeps each request, so that the test can answer it."""

    client_timeouts = ClientTimeouts()
    max_bytes_outside_bodies = 98_304
    default_response_lines: Mapping[str, bytes] = {"http": b""}

    def __init__(self) -> None:
        self.request_head_cache = RequestHeadCache()
        self.trusted_proxies = TrustedProxies()
        self.proxy_protocol = ProxyProtocol("off", "")
        self.refused: list[str] = []
        """The error codes of refused input."""
        self.malformed_requests = MalformedRequests(lambda status, code: self.refused.append(code), lambda: 0.0)
        self.cycles: list[RequestCycle] = []

    def next_request_id(self) -> str:
        """Return a request id."""
        return "id"

    def begin(self, cycle: RequestCycle) -> None:
        """Keep `cycle`."""
        self.cycles.append(cycle)


class MemoryConnection:
    """A connection of one client to a `protocol_class`."""

    def __init__(self, protocol_class: type[ServerProtocol] = ServerProtocol, *, keep_alive: int = 75) -> None:
        self.app = MemoryApplication()
        self.loop = MovableLoop()
        self.transport = MemoryTransport()
        state = ServerState()
        state.default_headers = [(b"date", b"now")]
        config = Config(cast(Any, self.app), log_config=None, timeout_keep_alive=keep_alive)
        self.protocol = protocol_class(config, state, {}, cast(asyncio.AbstractEventLoop, self.loop))
        self.protocol.connection_made(self.transport)

    def send(self, data: bytes) -> None:
        """Let the client send `data`."""
        self.protocol.data_received(data)

    def wait(self, seconds: float) -> None:
        """Pass `seconds`, then sweep the deadlines."""
        self.loop.move(seconds)
        self.protocol.enforce_deadlines(self.loop.time())

    def respond(self, body: bytes = b"ok") -> None:
        """Answer the last request."""
        self.app.cycles[-1].respond(200, [(b"content-length", b"%d" % len(body))], body)

    @property
    def state(self) -> str:
        """The transport's state."""
        return self.transport.state
