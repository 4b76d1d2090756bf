"""One connection to an upstream address: it carries one request and its response at a time.

The caller is woken once for the head and the part of the body that arrived with it, so a small response costs one
wake-up. Reading pauses while more than 64 KB of the body wait for the caller.
"""

import asyncio
from typing import cast

import httptools

from gateway.upstream_connections.errors import UpstreamFailed
from gateway.upstream_connections.pending_response import NEVER, PendingResponse
from gateway.upstream_connections.receive_buffer import has_unread_data, read_unread_data
from gateway.upstream_connections.response_head_cache import ResponseHeadCaches
from gateway.upstream_connections.response_parser import SWITCHING_PROTOCOLS
from gateway.upstream_connections.unexpected_bodies import UnexpectedBodies
from gateway.upstream_connections.write_coalescing import WriteCoalescer

MAX_HEAD_BYTES = 65_536
"""A response with a larger head is malformed."""

HIGH_WATER = 65_536
"""Reading pauses while more bytes of a body than this wait for the caller."""

_REQUEST_TIMEOUT = (b"HTTP/1.1 408 ", b"HTTP/1.0 408 ")
"""The status lines that some servers send before they close an idle connection."""


class UpstreamConnection(PendingResponse):
    """A connection and the state of its exchange.

    | phase             | request_written | _reading_head | complete |
    |-------------------|-----------------|---------------|----------|
    | idle              | False           | any           | any      |
    | request queued    | False           | True          | False    |
    | waiting for head  | True            | True          | False    |
    | receiving body    | True            | False         | False    |
    | response complete | True            | False         | True     |

    `_failure` is set once, in any phase, and closes the connection.
    """

    __slots__ = (
        "_body_bytes_left",
        "_requests_left",
        "_response_head_caches",
        "_reused",
        "_unexpected_bodies",
        "_whole_request_sent",
        "_write_coalescer",
        "_write_paused",
        "body_received_at",
        "idle_since",
        "request_written",
        "retires_at",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        response_head_caches: ResponseHeadCaches,
        write_coalescer: WriteCoalescer,
        unexpected_bodies: UnexpectedBodies,
        *,
        max_requests: int = 0,
        retires_at: float = NEVER,
    ) -> None:
        super().__init__(loop)
        self._response_head_caches = response_head_caches
        self._body_bytes_left = 0
        """Bytes of the body still to come, if the head was read by a cache; 0 if the parser reads the body."""
        self._write_coalescer = write_coalescer
        self._unexpected_bodies = unexpected_bodies
        self._whole_request_sent = self._reused = self._write_paused = False
        self._requests_left = max_requests
        """Requests that may still be sent; negative if there is no limit."""
        self.request_written = False
        """Whether the head of the current request was written. Bytes that arrive before that end the connection."""
        self.idle_since = 0.0
        """Loop time at which the latest exchange ended, or at which a new connection was kept for later requests."""
        self.body_received_at = 0.0
        """Loop time at which a part of a body arrived last. Parts that arrive together with the head do not count."""
        self.retires_at = retires_at
        """Loop time from which the connection is closed when its exchange ends."""

    # --- the exchange ------------------------------------------------------------------------------------------

    def start(self, head: bytes, body: bytes, *, whole: bool, method: str, keep_cookies: bool, total: float) -> None:
        """Send a request's head and the first part of its body; with `whole`, this is the whole body.

        `keep_cookies` keeps Set-Cookie in `headers`. `total` is the timeout of the whole exchange in seconds; 0 means
        none. Raises UpstreamFailed("stale") if the connection is closed.
        """
        if self._transport is None or self._transport.is_closing():
            raise UpstreamFailed("stale")
        self._is_head_request = method == "HEAD"
        self._keep_cookies = keep_cookies
        self._whole_request_sent = whole
        self._reading_head = True
        self._keeps_alive = self._upgrade_allowed = self.complete = self.has_url_fields = False
        self._raw_headers = []
        self._head_bytes = self._body_bytes = self._body_bytes_left = 0
        self.cached_head = None
        self.total_deadline = self._loop.time() + total if total else NEVER
        request = head + body if body else head
        if self.is_bodiless:
            self._start_checked(self._transport, request, whole=whole)
        elif whole:
            self._write_coalescer.put(self._loop, self, self._transport, request)
        else:  # written at once: the rest of the body must not be written before it
            self.request_written = True
            self._transport.write(request)

    def _start_checked(self, transport: asyncio.Transport, request: bytes, *, whole: bool) -> None:
        """Send a request only if no bytes have arrived: the previous response must not have a body."""
        self.is_bodiless = False
        if whole:
            self._write_coalescer.put_checked(self._loop, self, transport, request)
        elif has_unread_data(transport):
            raise UpstreamFailed("stale")
        else:
            self.request_written = True
            transport.write(request)

    async def send_body(self, data: bytes, timeout: float) -> None:
        """Send another part of the request's body. While the upstream does not read, wait at most `timeout` seconds.

        Restarts the read timeout, because an upstream may wait for this part before it continues its response.
        Raises UpstreamFailed.
        """
        if self._failure is not None:
            raise self._failure.copy()
        if self._transport is None:
            raise UpstreamFailed("broken")
        self._transport.write(data)
        if self.read_deadline != NEVER:
            self.read_deadline = self._deadline(timeout)
        if not self._write_paused:
            return
        self._drained = self._loop.create_future()
        self.write_deadline = self._deadline(timeout)
        try:
            await self._drained
        finally:
            self._drained = None
            self.write_deadline = NEVER

    def mark_request_sent(self, read_timeout: float) -> None:
        """Record that the whole body of the request was sent, and start the read timeout (seconds)."""
        self._whole_request_sent = True
        if self._waiter is not None:
            self.read_deadline = self._deadline(read_timeout)

    def allow_upgrade(self) -> None:
        """Accept a 101 response to the request that was just started."""
        self._upgrade_allowed = True

    def detach(self) -> tuple[asyncio.Transport, bytes]:
        """Return the transport after a 101, and the bytes that followed. Raises UpstreamFailed if it is closed."""
        if self._transport is None or self._transport.is_closing():
            raise UpstreamFailed("broken")
        following, self._chunks = b"".join(self._chunks), []
        return self._transport, following

    def end_exchange(self) -> bool:
        """End the exchange. Return whether the connection can be reused; otherwise close it."""
        self._requests_left -= 1
        self.idle_since = now = self._loop.time()
        reusable = (
            self.complete
            and self._requests_left != 0
            and now < self.retires_at
            and self._whole_request_sent
            and self._keeps_alive
            and self._failure is None
            and not self._chunks
            and not self._write_paused
            and self._transport is not None
            and not self._transport.is_closing()
        )
        self.request_written = False
        self._reused = True
        self.read_deadline = self.write_deadline = self.total_deadline = NEVER
        if not reusable and self._transport is not None:
            self.close()
        return reusable

    # --- asyncio.Protocol --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport of the established connection."""
        # uvloop's transports have the methods of asyncio.Transport, but are no instances of it.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Read bytes of the response by the cache of heads or the parser, and wake the caller."""
        if not self.request_written:
            # "stale": a request that waits to be written was not sent, so it may be sent on another connection.
            if self.is_bodiless and not data.startswith(_REQUEST_TIMEOUT):
                self._unexpected_bodies.record(self._loop.time())
            self._fail("stale", detail="bytes without a request")
            return
        if self._body_bytes_left:
            self.body_received_at = self._loop.time()
            self._receive_body(data)
            return
        if not self._reading_head or self._is_head_request or self._upgrade_allowed or self._head_bytes:
            self._parse(data)
            return
        head = self._response_head_caches[self._keep_cookies].find(data)
        if head is None or len(data) > len(head.head) + head.length:
            self._parse(data)
            return
        # The parser is not used for this response. So it still expects the head of a response.
        self.cached_head = head
        self.status = head.status
        self._reading_head = self._ends_at_eof = False
        self._keeps_alive = True
        body = data[len(head.head) :]
        if len(body) == head.length:  # most responses; a call of _receive_body takes 0.2 us more
            if body:
                self._chunks = [body]
            self.complete = True
            self._wake_reader()
            return
        self._body_bytes_left = head.length
        self._receive_body(body)

    def _receive_body(self, data: bytes) -> None:
        """Receive a part of a body whose head was read by a cache; wake the caller."""
        left = self._body_bytes_left - len(data)
        if data:
            self._chunks.append(data[: self._body_bytes_left] if left < 0 else data)
        if left <= 0:
            self._body_bytes_left = 0
            self.complete = True
            self._keeps_alive = left == 0
        else:
            self._body_bytes_left = left
            self._buffered_bytes += len(data)
            if self._buffers_body and self._buffered_bytes + left <= HIGH_WATER and self._head_callback is not None:
                self.read_deadline = NEVER
                return
            self._pause_reading_if_full()
        self._wake_reader()

    def _parse(self, data: bytes) -> None:
        """Feed bytes to the parser, fail a malformed response, and pause reading while the caller is slow."""
        head_ends_here, was_complete, body_before = self._reading_head, self.complete, self._body_bytes
        if head_ends_here and not self._head_bytes and not data.startswith(b"H"):  # httptools accepts also ICE, RTSP
            self._fail_malformed("no HTTP", unexpected_body=self._reused)
            return
        try:
            self.feed(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self.status != SWITCHING_PROTOCOLS:
                self._fail("malformed", detail="101 to a request without an upgrade")
                return
            self._switch_protocols(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            detail = str(error.__context__ or error)
            self._fail_malformed(detail, unexpected_body=self.complete and self.is_bodiless)
            return
        if self._reading_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._fail("malformed", detail=f"a head of over {MAX_HEAD_BYTES} bytes")
            return
        if not head_ends_here:
            self.body_received_at = self._loop.time()
        if self.complete and (
            was_complete or self._has_surplus_bytes(data, head_ends_here, self._body_bytes - body_before)
        ):
            self._keeps_alive = False
            if self.is_bodiless and (was_complete or not self._head_bytes):
                self._unexpected_bodies.record(self._loop.time())
        self._pause_reading_if_full()
        self._wake_reader()

    def _pause_reading_if_full(self) -> None:
        if self._buffered_bytes > HIGH_WATER and not self._read_paused and self._transport is not None:
            self._read_paused = True
            self._transport.pause_reading()

    def _fail_malformed(self, detail: str, *, unexpected_body: bool) -> None:
        if unexpected_body:  # the bytes are probably the body that followed an earlier response
            self._unexpected_bodies.record(self._loop.time())
        self._fail("malformed", detail=detail)

    def _switch_protocols(self, following: bytes) -> None:
        # HTTP ends here. Further bytes wait in the kernel until the caller detaches the transport.
        self._keeps_alive = False
        self._chunks = [following]
        if self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """End a response that has no length, because the upstream has closed its sending side."""
        if self.request_written and not self._reading_head and self._ends_at_eof:
            self.complete = True
            self._wake_all()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the exchange unless its response is complete. First read the response that may be in the kernel."""
        transport, self._transport = self._transport, None
        try:
            if exc is not None and transport is not None and self.request_written:
                # A write failed: the service closed without reading the upload, often after an early response.
                self._read_rest(transport)
        finally:
            if self.complete:
                self._wake_all()
            else:
                is_stale = self._reused and self._reading_head and not self._head_bytes
                self._fail("stale" if is_stale else "broken", exc)
            del self._parser  # it refers to this connection, so only the garbage collector would free both

    def _read_rest(self, transport: asyncio.Transport) -> None:
        for data in read_unread_data(transport):
            if self.complete or self._failure is not None:
                return
            self.data_received(data)

    def pause_writing(self) -> None:
        """Record that the write buffer is full, so that `send_body` waits."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """Record that the write buffer has space again, and wake `send_body`."""
        self._write_paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
