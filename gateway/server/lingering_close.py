"""Lingering close: close a client connection in stages, so that the client receives the last response (RFC 9112 9.6).

Closing a connection that has unread input resets it, and a reset can destroy a response that the client has not read
yet. So the gateway first closes its sending side. It then reads and drops input until the client closes its side or a
deadline passes. HAProxy and nginx (`lingering_close`) do the same.
"""

import asyncio
from collections.abc import Callable

LINGER_TIMEOUT = 2.0
"""Seconds without input after which the connection is aborted; nginx calls it `lingering_timeout`."""

LINGER_TIME = 30.0
"""Seconds after the response was sent for which input is read; nginx calls it `lingering_time`.

Many clients read the response to an upload only after they have sent all of it."""

OnLost = Callable[[Exception | None], None]


class LingeringClose(asyncio.Protocol):
    """Takes a connection over from its protocol, closes it, and then calls `on_lost`.

    `write_timeout` is the longest time, in seconds, in which the client reads nothing.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, on_lost: OnLost, *, write_timeout: float
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._on_lost = on_lost
        self._write_timeout = write_timeout
        self._unsent = transport.get_write_buffer_size()
        now = loop.time()
        self._deadline = now + (write_timeout if self._unsent else LINGER_TIMEOUT)
        self._total_deadline = now + LINGER_TIME

    def start(self, *, half_closed: bool) -> None:
        """Close the sending side. If the client is `half_closed`, close the connection."""
        self._transport.set_protocol(self)
        if half_closed or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.resume_reading()
        self._transport.write_eof()  # takes effect after the write buffer is sent

    def start_abort_timer(self) -> None:
        """Abort after LINGER_TIMEOUT. A worker that is stopping needs this, because it no longer sweeps deadlines."""
        self._loop.call_later(LINGER_TIMEOUT, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Drop the input and extend the deadline, up to LINGER_TIME after the response."""
        self._deadline = max(self._deadline, min(self._loop.time() + LINGER_TIMEOUT, self._total_deadline))

    def connection_lost(self, exc: Exception | None) -> None:
        """Call `on_lost`."""
        self._on_lost(exc)

    def enforce_deadlines(self, now: float) -> None:
        """Abort if the client neither reads nor closes in time. `now` is the event loop's time in seconds."""
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent:  # the client reads
            self._unsent = unsent
            self._deadline = now + (self._write_timeout if unsent else LINGER_TIMEOUT)
            self._total_deadline = now + LINGER_TIME
        if now > self._deadline:
            self._transport.abort()
