"""The transport of one client connection: flow control, closing, and handing it over to another protocol."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Protocol

from gateway.server.connection_deadlines import NEVER, ConnectionDeadlines
from gateway.server.lingering_close import LingeringClose

UpgradedConnection = tuple[asyncio.Transport, bytes]
"""The transport of a connection that leaves HTTP, and the bytes that were read on it after the upgrade request."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for 0 seconds


class NextProtocol(Protocol):
    """A protocol that takes a connection over from HTTP: a lingering close, or an upgraded one (RFC 9110 7.8)."""

    def enforce_deadlines(self, now: float) -> None:
        """End the connection if a deadline has passed at `now`, the event loop's time in seconds."""


class ResponseWriter(Protocol):
    """The interface of a client's transport to its request cycles, which ClientTransport documents."""

    @property
    def write_paused(self) -> bool:
        """Return whether the write buffer is full because the client does not read."""

    def write(self, data: bytes) -> None:
        """Send `data`."""

    async def drain(self) -> None:
        """Wait until the write buffer has space or the client is gone."""

    def pause_reading(self) -> None:
        """Stop reading from the client."""

    def resume_reading(self) -> None:
        """Read from the client again."""


class ClientTransport:
    """Reads and writes for one client until the connection is lost or another protocol takes it over."""

    __slots__ = (
        "_deadlines",
        "_loop",
        "_transport",
        "_writable",
        "half_closed",
        "next_protocol",
        "read_paused",
        "write_paused",
    )

    def __init__(
        self, transport: asyncio.Transport, deadlines: ConnectionDeadlines, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._transport: asyncio.Transport | None = transport
        self._deadlines = deadlines
        self._loop = loop
        self._writable: asyncio.Future[None] | None = None
        self.read_paused = False
        self.write_paused = False
        """Whether the write buffer is full because the client does not read."""
        self.half_closed = False
        """Whether the client has closed its sending side."""
        self.next_protocol: NextProtocol | None = None
        """The protocol that has taken the connection over."""

    @property
    def is_open(self) -> bool:
        """Return whether HTTP can still be written to the client."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def raw(self) -> asyncio.Transport | None:
        """Return asyncio's transport; None once the connection is lost or handed over."""
        return self._transport

    # --- flow control ------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send `data`; drop it if the connection is lost or handed over."""
        if self._transport is not None:
            self._transport.write(data)

    def pause_writing(self) -> None:
        """Note that the write buffer is full: `drain` waits, and the write deadline starts."""
        self.write_paused = True
        self._writable = self._loop.create_future()
        self._deadlines.start_write(self._loop.time())

    def resume_writing(self) -> None:
        """Note that the write buffer has space again: `drain` returns, and the write deadline ends."""
        self.write_paused = False
        self._deadlines.write = NEVER
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    async def drain(self) -> None:
        """Wait until the write buffer has space or the client is gone."""
        if self._writable is not None:
            await asyncio.shield(self._writable)

    def pause_reading(self) -> None:
        """Stop reading from the client."""
        if not self.read_paused and self._transport is not None:
            self.read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read from the client again. The body deadline starts anew, because the pause was not the client's."""
        if self.read_paused and self._transport is not None:
            self.read_paused = False
            self._transport.resume_reading()
            self._deadlines.resume_body(self._loop.time())

    # --- the end of the connection -----------------------------------------------------------------------------

    def lost(self) -> None:
        """Drop the transport, which the event loop has closed, and wake `drain`."""
        self._transport = self.next_protocol = None
        self.resume_writing()

    def close(
        self, on_lost: Callable[[Exception | None], None], write_timeout: float, *, is_worker_stopping: bool
    ) -> None:
        """Start a lingering close, so that the client receives what was written. `on_lost` is called at its end.

        `write_timeout` is in seconds. A worker that is stopping no longer sweeps deadlines, so a timer bounds the
        close.
        """
        if not self.is_open or self._transport is None:
            return
        closing = LingeringClose(self._loop, self._transport, on_lost, write_timeout=write_timeout)
        self.next_protocol, self._transport = closing, None
        closing.start(half_closed=self.half_closed)
        if is_worker_stopping:
            closing.start_abort_timer()

    def start_abort_timer(self) -> None:
        """Bound a lingering close that has started, because the worker begins to stop."""
        if isinstance(self.next_protocol, LingeringClose):
            self.next_protocol.start_abort_timer()

    def hand_over(self, next_protocol: NextProtocol) -> asyncio.Transport:
        """Return asyncio's transport for `next_protocol` to use. Raises ConnectionError if the client is gone."""
        if not self.is_open or self._transport is None:
            raise ConnectionError("the client has closed its connection")
        transport, self._transport = self._transport, None
        self.next_protocol = next_protocol
        return transport

    def abort(self) -> None:
        """Close at once, and drop what is still in the write buffer."""
        if self._transport is not None:
            self._transport.abort()

    def reset(self) -> None:
        """Close with a TCP reset, so that the client does not take a partial response for a complete one."""
        if self._transport is not None:
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()
