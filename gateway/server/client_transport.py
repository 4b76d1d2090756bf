"""The transport of one client connection: its flow control, and the ways in which it ends."""

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


class Successor(Protocol):
    """A protocol that takes a connection over from HTTP: a lingering close, or an upgrade (RFC 9110 7.8)."""

    def enforce_deadlines(self, now: float) -> None:
        """End the connection if a deadline lies before `now`, the loop's time."""


class ClientTransport:
    """Reads and writes for one client until the connection is lost or a successor takes it over."""

    __slots__ = (
        "_deadlines",
        "_loop",
        "_transport",
        "_writable",
        "half_closed",
        "read_paused",
        "successor",
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
        self.successor: Successor | None = None

    @property
    def is_open(self) -> bool:
        """Return whether HTTP can still be written to the client."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def raw(self) -> asyncio.Transport | None:
        """The loop's transport; None once it is lost or taken over."""
        return self._transport

    # --- flow control ------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send `data`; drop it if the client is gone."""
        if self._transport is not None:
            self._transport.write(data)

    def pause_writing(self) -> None:
        """Make `drain` wait, and start the write deadline."""
        self.write_paused = True
        self._writable = self._loop.create_future()
        self._deadlines.start_write(self._loop.time())

    def resume_writing(self) -> None:
        """Wake `drain`."""
        self.write_paused = False
        self._deadlines.write = NEVER
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    async def drain(self) -> None:
        """Wait until the client reads again or is gone."""
        if self._writable is not None:
            await asyncio.shield(self._writable)

    def pause_reading(self) -> None:
        """Stop reading from the client."""
        if not self.read_paused and self._transport is not None:
            self.read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read from the client again; the time of the pause does not count against it."""
        if self.read_paused and self._transport is not None:
            self.read_paused = False
            self._transport.resume_reading()
            self._deadlines.resume_body(self._loop.time())

    # --- the end of the connection -----------------------------------------------------------------------------

    def lost(self) -> None:
        """Forget the transport, which the loop has closed."""
        self._transport = None
        self.resume_writing()

    def close(self, lost: Callable[[Exception | None], None], write_timeout: float, *, hurry: bool) -> None:
        """Close in stages, so that the client receives what was written. `lost` is called at the end.

        `hurry` bounds the close without the sweep, for a worker that is stopping.
        """
        if not self.is_open or self._transport is None:
            return
        closing = LingeringClose(self._loop, self._transport, lost, write_timeout=write_timeout)
        self.successor, self._transport = closing, None
        closing.start(half_closed=self.half_closed)
        if hurry:
            closing.hurry()

    def hurry_close(self) -> None:
        """Bound a close in stages that is under way, for a worker that is stopping."""
        if isinstance(self.successor, LingeringClose):
            self.successor.hurry()

    def hand_over(self, successor: Successor) -> asyncio.Transport:
        """Give the loop's transport to `successor`. Raises ConnectionError if the client is gone."""
        if not self.is_open or self._transport is None:
            raise ConnectionError("the client has closed its connection")
        transport, self._transport = self._transport, None
        self.successor = successor
        return transport

    def abort(self) -> None:
        """Close at once; drop what is not sent yet."""
        if self._transport is not None:
            self._transport.abort()

    def reset(self) -> None:
        """Close with a TCP reset, where an orderly close would make a partial response look complete."""
        if self._transport is not None:
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()
