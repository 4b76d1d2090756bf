"""Owns one connection to an upstream: a request goes out, its answer comes in, one at a time.

The answer is handed over as soon as its header and whatever came with it have been parsed, so that a small one
costs one wake-up. Reading pauses while more than 64 KB of it wait to be taken.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import cast

import httptools

from contract.identity import REFUSED_HEADER
from gateway.http.list_fields import OWS
from gateway.http.response_head import BODILESS, ResponseHead
from gateway.http.response_headers import read_answer_fields
from gateway.upstream_connections.errors import FailureReason, UpstreamFailed
from gateway.upstream_connections.receive_buffer import is_readable, unread
from gateway.upstream_connections.response_framing import BadFraming, read_framing
from gateway.upstream_connections.response_head_cache import ResponseHeadCache
from gateway.upstream_connections.unexpected_bodies import Surplus
from gateway.upstream_connections.write_coalescing import WriteCoalescer

HIGH_WATER = 65_536
UNAUTHORIZED = 401
SWITCHING_PROTOCOLS = 101
"""The status with which a server leaves HTTP (RFC 9110 15.2.2)."""
_IDLED_TOO_LONG = (b"HTTP/1.1 408 ", b"HTTP/1.0 408 ")
"""How some servers begin to close a connection that idles; answers nothing, as what else comes then."""
_FOREVER = float("inf")
URL_FIELDS = frozenset({b"location", b"content-location", b"refresh"})
"""Response header fields that hold a URL, in lower case."""
_IDENTITY_REFUSED = REFUSED_HEADER.lower().encode("ascii")


def read_identity_rejection(raw_headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return why a service refused the identity assertion, from its 401; empty for any other 401."""
    reasons = [value for name, value in raw_headers if name.lower() == _IDENTITY_REFUSED]
    return (reasons[0].decode("latin-1") or "no reason given") if reasons else ""


class UpstreamConnection(asyncio.Protocol):
    """A connection and the state of the exchange that is on it.

    `status`, `headers` and `complete` hold from the moment `answered` returns until the next `start`.
    `known` holds as long where the head came before, byte for byte.
    """

    __slots__ = (
        "_body_bytes",
        "_buffered",
        "_chunks",
        "_content_length",
        "_drained",
        "_ends_at_eof",
        "_failure",
        "_head_bytes",
        "_head_request",
        "_heading",
        "_keep_cookies",
        "_keeps_alive",
        "_listener",
        "_loop",
        "_may_switch",
        "_parser",
        "_raw_headers",
        "_read_paused",
        "_requests_left",
        "_response_head_cache",
        "_reused",
        "_sent",
        "_surplus",
        "_transport",
        "_waiter",
        "_write_coalescer",
        "_write_paused",
        "awaits_answer",
        "cached_head",
        "complete",
        "has_url_fields",
        "headers",
        "heard_at",
        "identity_rejection",
        "idle_since",
        "is_bodiless",
        "retires_at",
        "silent_until",
        "status",
        "stuck_until",
        "total_until",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        response_head_cache: ResponseHeadCache,
        write_coalescer: WriteCoalescer,
        surplus: Surplus,
        *,
        max_requests: int = 0,
        retires_at: float = _FOREVER,
    ) -> None:
        self._loop = loop
        self._response_head_cache = response_head_cache
        self._write_coalescer = write_coalescer
        self._surplus = surplus
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._listener: Callable[[], None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._write_paused = False
        self._read_paused = False
        self._failure: UpstreamFailed | None = None
        self._raw_headers: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._body_bytes = 0
        self._content_length: int | None = None
        self._heading = True
        self._head_request = False
        self._keep_cookies = False
        self._head_bytes = 0
        self._ends_at_eof = False
        self._keeps_alive = False
        self._requests_left = max_requests
        self._reused = False
        self._sent = False
        self._may_switch = False
        self.awaits_answer = False
        """Whether a request was written. What comes before that answers nothing, and ends the connection."""
        self.is_bodiless = False
        """Whether the latest answer ended with its head, whatever its fields say (RFC 9112 6.3)."""
        self.has_url_fields = False
        """Whether its header holds a URL that may have to be rewritten for the client."""
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.cached_head: ResponseHead | None = None
        self.identity_rejection = ""
        """Why the service refused the assertion, where it did; means something only where `known` is None."""
        self.complete = False
        self.idle_since = 0.0
        self.retires_at = retires_at
        """Loop time after which it carries no further request."""
        self.heard_at = 0.0
        """Loop time of the latest part of an answer that came after its head."""
        self.silent_until = _FOREVER
        """Loop time by which the upstream must be heard, while we wait for it."""
        self.stuck_until = _FOREVER
        """Loop time by which it must take more of the body or begin to answer, while we wait for that."""
        self.total_until = _FOREVER
        """Loop time by which the whole exchange must be over."""

    # --- the exchange ------------------------------------------------------------------------------------------

    def start(self, head: bytes, body: bytes, *, whole: bool, method: str, keep_cookies: bool, total: float) -> None:
        """Sends a request's head and what there is of its body. `total` seconds bound the exchange."""
        if self._transport is None or self._transport.is_closing():
            raise UpstreamFailed("stale")
        self._head_request = method == "HEAD"
        self._keep_cookies = keep_cookies
        self._sent = whole
        self._heading = True
        self._keeps_alive = self._may_switch = self.complete = self.has_url_fields = False
        self._raw_headers = []
        self._head_bytes = 0
        self.cached_head = None
        self.total_until = self._deadline(total)
        request = head + body if body else head
        if self.is_bodiless:
            self._start_checked(self._transport, request, whole=whole)
        elif whole:
            self._write_coalescer.put(self._loop, self, self._transport, request)
        else:  # more follows, in order
            self.awaits_answer = True
            self._transport.write(request)

    def _start_checked(self, transport: asyncio.Transport, request: bytes, *, whole: bool) -> None:
        # The latest answer had no body. One that was sent all the same may have come since the loop last looked.
        self.is_bodiless = False
        if whole:
            self._write_coalescer.put_checked(self._loop, self, transport, request)
        elif is_readable(transport):
            raise UpstreamFailed("stale")
        else:
            self.awaits_answer = True
            transport.write(request)

    async def send_body(self, data: bytes, silence: float) -> None:
        """Sends more of the request's body; waits, at most `silence` seconds, while the upstream takes no more.

        An upstream that has begun to answer may wait for what still comes: its silence is counted from here.
        """
        if self._failure is not None:
            raise self._failure
        if self._transport is None:
            raise UpstreamFailed("broken")
        self._transport.write(data)
        if self.silent_until != _FOREVER:
            self.silent_until = self._deadline(silence)
        if not self._write_paused:
            return
        self._drained = self._loop.create_future()
        self.stuck_until = self._deadline(silence)
        try:
            await self._drained
        finally:
            self._drained = None
            self.stuck_until = _FOREVER

    def mark_request_sent(self, silence: float) -> None:
        """Says that the request's body was sent whole: from now on the upstream has `silence` seconds to answer."""
        self._sent = True
        if self._waiter is not None:
            self.silent_until = self._deadline(silence)

    async def wait_for_head(self, silence: float) -> None:
        """Returns when the header is here. Raises UpstreamFailed, also after `silence` seconds without a byte."""
        if self._heading and self._failure is None:
            await self._wait(silence)
        if self._heading and self._failure is not None:
            raise self._failure

    def call_on_head(self, heard: Callable[[], None], silence: float) -> None:
        """As answered, for callers that cannot wait: calls `heard` once, when there is an answer or a failure."""
        self._listener = heard
        self.silent_until = self._deadline(silence)

    def allow_upgrade(self) -> None:
        """Lets the upstream answer the request that was started with 101, and go on with another protocol."""
        self._may_switch = True

    def detach(self) -> tuple[asyncio.Transport, bytes]:
        """Gives the connection away after a 101, and what came behind it. Raises UpstreamFailed where it has gone."""
        if self._transport is None or self._transport.is_closing():
            raise UpstreamFailed("broken")
        early, self._chunks = b"".join(self._chunks), []
        return self._transport, early

    def remove_total_deadline(self) -> None:
        """From now on the exchange lasts as long as the upstream is heard: its answer is a stream."""
        self.total_until = _FOREVER

    @property
    def has_failed(self) -> bool:
        """Whether the exchange broke."""
        return self._failure is not None

    def take_body(self) -> bytes:
        """What has come of the body since the last call, perhaps nothing; reading goes on."""
        chunks = self._chunks
        if not chunks:
            return b""
        self._chunks = []
        self._buffered = 0
        if self._read_paused and self._transport is not None:
            self._read_paused = False
            self._transport.resume_reading()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def read_body(self, silence: float) -> bytes:
        """The next part of the body; empty at its end. Raises UpstreamFailed, as answered does."""
        while not self._chunks and not self.complete:
            if self._failure is not None:
                raise self._failure
            await self._wait(silence)
        return self.take_body()

    def end_exchange(self) -> bool:
        """Ends the exchange. Whether the connection can carry another one; where it cannot, it is closed."""
        self._requests_left -= 1
        self.idle_since = now = self._loop.time()
        reusable = (
            self.complete
            and self._requests_left != 0
            and now < self.retires_at
            and self._sent
            and self._keeps_alive
            and self._failure is None
            and not self._chunks
            and not self._write_paused
            and self.is_open
        )
        self.awaits_answer = False
        self._reused = True
        self.silent_until = self.stuck_until = self.total_until = _FOREVER
        if not reusable:
            self.close()
        return reusable

    def close(self) -> None:
        """Closes the connection at once, whatever is on it."""
        if self._failure is None:
            self._failure = UpstreamFailed("closed")
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    def enforce_deadlines(self, now: float) -> None:
        """Breaks the exchange off when one of its deadlines lies before the loop time `now`."""
        if now > self.silent_until or (self._heading and now > self.stuck_until):
            self._fail("timeout")
        elif now > self.total_until:
            self._fail("overdue")

    @property
    def is_open(self) -> bool:
        """Whether the connection can be written to."""
        return self._transport is not None and not self._transport.is_closing()

    # --- waiting -----------------------------------------------------------------------------------------------

    async def _wait(self, silence: float) -> None:
        self._waiter = self._loop.create_future()
        self.silent_until = self._deadline(silence)
        try:
            await self._waiter
        finally:
            self._waiter = None
            self.silent_until = _FOREVER

    def _deadline(self, seconds: float) -> float:
        return self._loop.time() + seconds if seconds else _FOREVER

    def _wake(self) -> None:
        if self._listener is not None:
            self._call_listener()
        for future in (self._waiter, self._drained):
            if future is not None and not future.done():
                future.set_result(None)

    def _call_listener(self) -> None:
        heard, self._listener = self._listener, None
        self.silent_until = _FOREVER
        if heard is not None:
            heard()

    def _fail(self, reason: FailureReason, cause: Exception | None = None, detail: str = "") -> None:
        if self._failure is None:
            self._failure = UpstreamFailed(reason, detail)
            self._failure.__cause__ = cause
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    # --- asyncio.Protocol --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop once."""
        # A cast, because uvloop's transports are asyncio's by shape and not by class.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop with what the upstream sent."""
        if not self.awaits_answer:
            # Nothing was sent on it since its last answer, so a request that waits to be written is not lost.
            if self.is_bodiless and not data.startswith(_IDLED_TOO_LONG):
                self._surplus.note(self._loop.time())
            self._fail("stale", detail="bytes that answer no request")
            return
        if not self._heading or self._head_bytes or self._head_request or self._keep_cookies:
            self._parse(data)
            return
        found = self._response_head_cache.find(data)
        if found is not None:
            self._recall(*found)
            return
        self._parse(data)
        if self.complete and self._keeps_alive and not (self.has_url_fields or self.identity_rejection):
            self._response_head_cache.learn(data, self.status, self.headers)

    def _recall(self, known: ResponseHead, body: bytes) -> None:
        """Takes a whole answer that the parser need not see: it stands where the next one begins."""
        self.cached_head = known
        self.status = known.status
        self.headers = list(known.headers)
        self._heading = False
        self._keeps_alive = True
        self.complete = True
        if body:
            self._chunks = [body]
        self._heard()

    def _parse(self, data: bytes) -> None:
        if self._heading and not self._head_bytes and not data.startswith(b"H"):  # the parser takes ICE and RTSP too
            if self._reused:  # nearly always the rest of what an earlier answer was followed by
                self._surplus.note(self._loop.time())
            self._fail("malformed", detail="no HTTP")
            return
        head_ends_here, was_complete, body_before = self._heading, self.complete, self._body_bytes
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self.status != SWITCHING_PROTOCOLS:
                self._fail("malformed", detail="a change of protocol that nobody asked for")
                return
            self._switch(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if self.complete and self.is_bodiless:
                self._surplus.note(self._loop.time())
            self._fail("malformed", detail=str(error.__context__ or error))
            return
        if self._heading:
            self._head_bytes += len(data)
            if self._head_bytes > HIGH_WATER:
                self._fail("malformed", detail=f"a head of over {HIGH_WATER} bytes")
            return
        if not head_ends_here:
            self.heard_at = self._loop.time()
        if self.complete and (
            was_complete or self._is_followed(data, head_ends_here, self._body_bytes - body_before)
        ):
            self._keeps_alive = False
            if self.is_bodiless and (was_complete or not self._head_bytes):
                self._surplus.note(self._loop.time())
        if self._buffered > HIGH_WATER and not self._read_paused and self._transport is not None:
            self._read_paused = True
            self._transport.pause_reading()
        self._heard()

    def _is_followed(self, data: bytes, head_ends_here: bool, body_bytes: int) -> bool:
        """Whether more than the answer's end is in `data`, with which it became complete.

        The parser tells of another message, but skips empty lines, and what else it takes for a body's framing.
        """
        if head_ends_here:
            if self._head_bytes:  # where it ends in `data` is not known
                return True
            data = data[data.find(b"\r\n\r\n") + 4 :]
        if self.is_bodiless:
            return bool(data)
        if self._content_length is not None:
            return len(data) != body_bytes
        return data.endswith((b"\r\n\r\n\r\n", b"\n\n")) or not data.endswith(b"\n")

    def _heard(self) -> None:
        if self._listener is not None:
            self._call_listener()
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def eof_received(self) -> None:
        """Called by the loop when the upstream has closed its half: the end of an answer that has no other end."""
        if self.awaits_answer and not self._heading and self._ends_at_eof:
            self.complete = True
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop once."""
        transport, self._transport = self._transport, None
        try:
            if exc is not None and transport is not None and self.awaits_answer:
                # A write failed: the service has closed with the upload unread, often after an early answer.
                self._read_rest(transport)
        finally:
            if self.complete:
                self._wake()
            else:
                untouched = self._reused and self._heading and not self._head_bytes
                self._fail("stale" if untouched else "broken", exc)

    def _read_rest(self, transport: asyncio.Transport) -> None:
        for data in unread(transport):
            if self.complete or self._failure is not None:
                return
            self.data_received(data)

    def pause_writing(self) -> None:
        """Called by the loop when the upstream takes no more."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """Called by the loop when the upstream takes more again."""
        self._write_paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    # --- httptools ---------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Called by the parser at an answer's first byte."""
        if self.complete:  # a second answer to one request: what else comes here cannot be trusted either
            self._keeps_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser for each field, trailers included; those are discarded."""
        if self._heading:
            self._raw_headers.append((name, value.strip(OWS)))

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        if self.complete:
            return
        status = self._parser.get_status_code()
        if status == SWITCHING_PROTOCOLS and self._may_switch:
            self.status = status
            self.headers = [(name.lower(), value) for name, value in self._raw_headers]
            self._heading = False
            return
        if status < 100:
            raise BadFraming(f"status {status:03}")  # RFC 9110 15: there is no such class
        if status < 200:  # RFC 9110 15.2: interim answers are for the next hop, which is us
            self._raw_headers = []
            return
        framing = read_framing(self._raw_headers, self._parser.get_http_version())
        self.status = status
        self.headers = read_answer_fields(self._raw_headers, keep_cookies=self._keep_cookies)
        self.has_url_fields = any(name in URL_FIELDS for name, _ in self.headers)
        self.identity_rejection = read_identity_rejection(self._raw_headers) if status == UNAUTHORIZED else ""
        self._heading = False
        self._body_bytes = 0
        self._content_length = framing.content_length
        self.is_bodiless = self._head_request or status in BODILESS
        self._ends_at_eof = framing.ends_at_eof
        if self._head_request:
            self._end_without_body()

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        if self.complete:  # an answer to HEAD that has a body all the same
            self._keeps_alive = False
            return
        self._chunks.append(body)
        self._buffered += len(body)
        self._body_bytes += len(body)

    def _switch(self, early: bytes) -> None:
        # The parser is of no use any more. What else comes waits until somebody takes the connection over.
        self._keeps_alive = False
        self._chunks = [early]
        if self._transport is not None:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """Called by the parser, for interim answers as well."""
        if not self._heading and not self.complete:
            self.complete = True
            self._keeps_alive = self._parser.should_keep_alive()

    def _end_without_body(self) -> None:
        # The parser cannot be told that an answer to HEAD has no body, whatever its Content-Length says.
        self.complete = True
        self._keeps_alive = self._parser.should_keep_alive()
        self._parser = httptools.HttpResponseParser(self)
