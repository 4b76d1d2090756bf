"""Write coalescing: write all requests to an upstream address together, before the event loop waits again.

One iteration reads the requests of many clients. If each request were written at once, it would wake the service each
time; writes together, at the start of the next iteration, wake it once. Measured with 32 connections, this saves 3 of
25 us a request, and 12 of 82 us if each token is verified first. The loop does not wait for events before the writes.
"""

import asyncio
from typing import Protocol

from gateway.upstream_connections.receive_buffer import has_unread_data


class Writer(Protocol):
    """A connection whose request is written in the next iteration."""

    request_written: bool
    """Set when the request is written."""


QueuedWrite = tuple[Writer, asyncio.Transport, bytes]


class WriteCoalescer:
    """The requests that are written in the next iteration, in the order in which they were added."""

    def __init__(self) -> None:
        self._queue: list[QueuedWrite] = []
        self._checked_queue: list[QueuedWrite] = []

    def put(self, loop: asyncio.AbstractEventLoop, writer: Writer, transport: asyncio.Transport, data: bytes) -> None:
        """Write `data` to `transport` in the next iteration, unless the transport is closed by then."""
        if not self._queue:
            loop.call_soon(self._flush)
        self._queue.append((writer, transport, data))

    def put_checked(
        self, loop: asyncio.AbstractEventLoop, writer: Writer, transport: asyncio.Transport, data: bytes
    ) -> None:
        """Like `put`, but abort the transport if it holds bytes that the loop has not read (docs/decisions/0023)."""
        if not self._checked_queue:
            loop.call_soon(self._flush_checked)
        self._checked_queue.append((writer, transport, data))

    def _flush(self) -> None:
        queue, self._queue = self._queue, []
        for writer, transport, data in queue:
            if not transport.is_closing():
                writer.request_written = True
                transport.write(data)

    def _flush_checked(self) -> None:
        queue, self._checked_queue = self._checked_queue, []
        for writer, transport, data in queue:
            if transport.is_closing():
                continue
            if has_unread_data(transport):
                transport.abort()
                continue
            writer.request_written = True
            transport.write(data)
