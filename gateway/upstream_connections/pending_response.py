"""The response that a caller waits for: it wakes the caller, and holds the deadlines and the failure of the exchange.

Deadlines are loop times; the connection pool's sweep enforces them.
"""

import asyncio
from collections.abc import Callable

from gateway.upstream_connections.errors import FailureReason, UpstreamFailed
from gateway.upstream_connections.response_parser import ResponseParser
from gateway.upstream_connections.send_buffer import discard_unacknowledged

NEVER = float("inf")
"""A deadline that never passes."""


class PendingResponse(ResponseParser):
    """A response, the caller that waits for it, and the transport that is aborted when it fails."""

    __slots__ = (
        "_buffers_body",
        "_drained",
        "_failure",
        "_head_callback",
        "_loop",
        "_read_paused",
        "_transport",
        "_waiter",
        "read_deadline",
        "total_deadline",
        "write_deadline",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        """The caller that waits for the head or for more of the body."""
        self._head_callback: Callable[[], None] | None = None
        self._buffers_body = False
        """Whether `_head_callback` waits for the whole body of a short response."""
        self._drained: asyncio.Future[None] | None = None
        """The caller that waits until the upstream reads more of the request's body."""
        self._read_paused = False
        self._failure: UpstreamFailed | None = None
        self.read_deadline = NEVER
        """When the whole head, or more of the body, must have arrived; NEVER while no caller waits for it."""
        self.write_deadline = NEVER
        """When the upstream must have read more of the upload or sent its head; NEVER while no caller waits."""
        self.total_deadline = NEVER
        """When the whole exchange must have ended."""

    async def wait_for_head(self, read_timeout: float) -> None:
        """Wait at most `read_timeout` seconds for the response's whole head; 0: no limit. Raises UpstreamFailed."""
        if self._reading_head and self._failure is None:
            await self._wait(read_timeout)
        if self._reading_head and self._failure is not None:
            raise self._failure.copy()

    def call_on_head(self, callback: Callable[[], None], read_timeout: float, *, buffer: bool = False) -> None:
        """Call `callback` once, when the response's head has arrived or the exchange has failed.

        With `buffer`, the call may wait for the whole body of a short response, but only until the next sweep.
        Replaces wait_for_head for callers without a task. `read_timeout` is in seconds.
        """
        self._head_callback = callback
        self._buffers_body = buffer
        self.read_deadline = self._loop.time() + read_timeout if read_timeout else NEVER

    def take_body(self) -> bytes:
        """Return the part of the body received since the last call, possibly empty, and resume reading."""
        chunks = self._chunks
        if not chunks:
            return b""
        self._chunks = []
        self._buffered_bytes = 0
        if self._read_paused and self._transport is not None:
            self._read_paused = False
            self._transport.resume_reading()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def read_body(self, read_timeout: float) -> bytes:
        """Wait at most `read_timeout` seconds for the next part of the body and return it; empty at the end.

        Raises UpstreamFailed.
        """
        while not self._chunks and not self.complete:
            if self._failure is not None:
                raise self._failure.copy()
            await self._wait(read_timeout)
        return self.take_body()

    @property
    def is_open(self) -> bool:
        """Return whether the connection can be written to."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def has_failed(self) -> bool:
        """Return whether the exchange failed."""
        return self._failure is not None

    def close(self) -> None:
        """Abort the connection and any exchange on it."""
        self._fail("closed")

    # --- deadlines ---------------------------------------------------------------------------------------------

    def enforce_deadlines(self, now: float) -> None:
        """Fail the exchange if one of its deadlines is before the loop time `now`; end the wait for a whole body."""
        if now > self.read_deadline or (self._reading_head and now > self.write_deadline):
            self._fail("timeout")
        elif now > self.total_deadline:
            self._fail("overdue")
        elif self._head_callback is not None and not self._reading_head:
            self._wake_reader()  # the rest of a buffered body has not come soon

    def remove_total_deadline(self) -> None:
        """Remove the limit on the exchange's duration, because its response is a stream."""
        self.total_deadline = NEVER

    def _deadline(self, seconds: float) -> float:
        return self._loop.time() + seconds if seconds else NEVER

    def _fail(self, reason: FailureReason, cause: Exception | None = None, detail: str = "") -> None:
        if self._failure is None:
            self._failure = UpstreamFailed(reason, detail)
            self._failure.__cause__ = cause
        if self._transport is not None:
            if not self._transport.is_closing():
                discard_unacknowledged(self._transport)
            self._transport.abort()
        self._wake_all()

    # --- waking the caller -------------------------------------------------------------------------------------

    async def _wait(self, read_timeout: float) -> None:
        self._waiter = self._loop.create_future()
        self.read_deadline = self._deadline(read_timeout)
        try:
            await self._waiter
        finally:
            self._waiter = None
            self.read_deadline = NEVER

    def _wake_reader(self) -> None:
        callback = self._head_callback
        if callback is not None:
            self._head_callback = None
            self.read_deadline = NEVER
            callback()
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _wake_all(self) -> None:
        self._wake_reader()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
