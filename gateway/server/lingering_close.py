"""Closes a client's connection in stages, so that the last answer is not lost with it. RFC 9112 9.6.

Closing while input is unread resets the connection, and a reset can destroy an answer that the client has not read
yet. So the sending side is closed first; what the client still sends is read and dropped, until it closes its own
side or a deadline passes. HAProxy and nginx (`lingering_close`) do the same.
"""

import asyncio
from collections.abc import Callable

LINGER = 2.0
"""Seconds for which the client may be silent before the connection is aborted."""

LINGER_TOTAL = 30.0
"""Seconds for which a client that keeps sending is read, counted from the moment its answer was sent.

Many clients read the answer to an upload only when they have sent all of it. nginx's `lingering_time` is the same."""

Lost = Callable[[Exception | None], None]


class LingeringClose(asyncio.Protocol):
    """Takes a connection over from its protocol and closes it. `lost` is called with the end of the connection."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, lost: Lost, *, write_timeout: float
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._lost = lost
        self._write_timeout = write_timeout
        self._unsent = transport.get_write_buffer_size()
        now = loop.time()
        self._until = now + (write_timeout if self._unsent else LINGER)
        self._total_until = now + LINGER_TOTAL

    def start(self, *, half_closed: bool) -> None:
        """Close the sending side. `half_closed` says that the client has closed its own already."""
        self._transport.set_protocol(self)
        if half_closed or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.resume_reading()
        self._transport.write_eof()  # after what is still to be sent

    def hurry(self) -> None:
        """Bound the rest of the close by LINGER seconds, without the sweep: the worker is stopping."""
        self._loop.call_later(LINGER, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Called by the loop. Drops what came."""
        self._until = max(self._until, min(self._loop.time() + LINGER, self._total_until))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop once."""
        self._lost(exc)

    def enforce_deadlines(self, now: float) -> None:
        """Abort the connection where its client neither reads nor closes in time. `now` is the loop's time."""
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent:  # the client takes its answer
            self._unsent = unsent
            self._until = now + (self._write_timeout if unsent else LINGER)
            self._total_until = now + LINGER_TOTAL
        if now > self._until:
            self._transport.abort()
