"""A network without sockets: an event loop whose clock stands still, and the ends of connections in memory.

A request and its response take 0.1 ms here; over loopback sockets they take 0.5.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from tests.gateway.server.in_memory import MemoryTransport

Connect = Callable[[str, int], MemoryTransport]
"""Returns the end of a new connection to a host and a port. Raises OSError if nothing listens there."""


class MemoryLoop(asyncio.SelectorEventLoop):
    """An event loop that connects by `connect` instead of sockets. `move` advances its clock."""

    def __init__(self, connect: Connect) -> None:
        super().__init__()
        self._connect = connect
        self._now = 1_000.0
        self._calls = 0

    def time(self) -> float:
        """Return the time in seconds."""
        return self._now

    def move(self, seconds: float) -> None:
        """Advance the clock by `seconds`."""
        self._now += seconds

    def call_soon(  # type: ignore[override]  # asyncio's is generic
        self, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """Count the call, so that `settle` knows when no more are made."""
        self._calls += 1
        return super().call_soon(callback, *args, context=context)

    async def create_connection(  # type: ignore[override]  # asyncio's has many parameters that the gateway never uses
        self, protocol_factory: Callable[[], asyncio.Protocol], host: str, port: int, **_: object
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """Connect a new protocol to `host` and `port`. Raises OSError if nothing listens there."""
        transport, protocol = self._connect(host, port), protocol_factory()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        return transport, protocol

    async def settle(self) -> None:
        """Return when no callback and no task can continue without further input."""
        while True:
            before = self._calls
            await asyncio.sleep(0)
            if self._calls == before + 1:  # only the call that continues this coroutine
                return


class _ClientSocket:
    """The parts of a client's socket that the gateway uses."""

    def getpeername(self) -> tuple[str, int]:
        """Return the client's address."""
        return "192.0.2.1", 4_711

    def getsockname(self) -> tuple[str, int]:
        """Return the gateway's address."""
        return "192.0.2.2", 80

    def setsockopt(self, *_: object) -> None:
        """Do nothing: the gateway sets an option before it resets the connection."""


class ConnectionEnd(MemoryTransport):
    """The gateway's end of a connection. The other end sends by `deliver`; what the gateway sends is in `sent`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_write: Callable[["ConnectionEnd"], object] = lambda _: None,
        *,
        has_socket: bool = False,
    ) -> None:
        """Call `on_write` when the gateway sends something. Only clients have a socket."""
        super().__init__()
        self._loop = loop
        self._on_write = on_write
        self._socket = _ClientSocket() if has_socket else None
        self._waiting: deque[bytes] = deque()
        """Pieces that arrive when the gateway reads again."""
        self._is_lost = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the addresses, and for clients a socket whose options can be set."""
        return self._socket if name == "socket" else super().get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data`."""
        super().write(data)
        self._on_write(self)

    def take_sent(self) -> bytes:
        """Return what the gateway has sent since the last call."""
        sent, self.sent = self.sent, b""
        return sent

    def deliver(self, data: bytes) -> None:
        """Let `data` arrive as one piece, as soon as the gateway reads. A closed connection drops it."""
        self._waiting.append(data)
        self._pass_on()

    def deliver_eof(self) -> None:
        """Let the other end close the connection after everything that it has sent."""
        if not self.is_closing() and not cast(asyncio.Protocol, self.protocol).eof_received():
            self.close()

    def resume_reading(self) -> None:
        """Read again, first what has arrived meanwhile."""
        super().resume_reading()
        self._loop.call_soon(self._pass_on)

    def close(self) -> None:
        """Close in order."""
        self._end("closed")

    def abort(self) -> None:
        """Close at once."""
        self._end("aborted")

    def _pass_on(self) -> None:
        while self._waiting and self.is_reading() and not self.is_closing():
            piece = self._waiting.popleft()
            try:
                cast(asyncio.Protocol, self.protocol).data_received(piece)
            except Exception as error:  # noqa: BLE001 - asyncio's transports do the same
                self._loop.call_exception_handler({"message": "data_received failed", "exception": error})
                self.abort()

    def _end(self, state: str) -> None:
        if not self.is_closing():
            self.state = state
            self._loop.call_soon(self._lose)

    def _lose(self) -> None:
        if not self._is_lost and self.protocol is not None:
            self._is_lost = True
            self.protocol.connection_lost(None)
