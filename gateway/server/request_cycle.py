"""One request on a client connection and its response, with ASGI's receive and send.

The head of a response is sent together with the first piece of the body, so a small response is one write.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

import structlog

from gateway.http.header_fields import HeaderFields, HeaderTuple
from gateway.http.request import Request, RequestRecord
from gateway.http.response_completion import complete_response
from gateway.http.response_head import BODILESS, ResponseHead
from gateway.server.client_transport import NextProtocol, ResponseWriter, UpgradedConnection

Message = MutableMapping[str, Any]

MAX_BUFFERED_BODY = 65_536
"""Bytes of a request's body that are buffered before reading from the client pauses."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_log = structlog.get_logger("cycle")


class ClientConnection(Protocol):
    """The interface of a connection to its request cycles."""

    @property
    def client_transport(self) -> ResponseWriter:
        """Return the transport for the response."""

    def default_response_lines(self, scheme: str) -> bytes:
        """Return the header lines of every response to a client that uses `scheme`."""

    @property
    def can_upgrade(self) -> bool:
        """Return whether the current request may take the connection over from HTTP."""

    def upgrade(self, next_protocol: NextProtocol) -> UpgradedConnection:
        """Hand the connection over. Raises ConnectionError if the client is gone or did not ask for an upgrade."""

    def abort_response(self, cycle: "RequestCycle") -> None:
        """Close the connection within the response, so that it does not look complete to the client."""

    def response_ended(self, cycle: "RequestCycle") -> None:
        """Continue after a response that is complete or was abandoned."""


class RequestCycle:
    """A request and its response. It starts with `body`, the received part of the request's body."""

    is_event_stream: bool
    """Whether the response is an event stream, which never ends by itself."""
    parts_sent: int
    """Number of writes of a response that is sent in parts."""

    __slots__ = (
        "_body",
        "_body_bytes_left",
        "_chunked",
        "_head",
        "_waiter",
        "abandoned",
        "complete",
        "connection",
        "cors_lines",
        "disconnected",
        "expects_continue",
        "is_event_stream",
        "keep_alive",
        "more_body",
        "on_disconnect",
        "on_end",
        "parts_sent",
        "record",
        "request",
        "started",
        "task",
    )

    def __init__(
        self,
        connection: ClientConnection,
        request: Request,
        *,
        keep_alive: bool,
        expects_continue: bool,
        body: bytes = b"",
    ) -> None:
        self.request = request
        self.record = RequestRecord()
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue
        """Whether the client sends the body only after `100 Continue`."""
        self.cors_lines = b""
        """The CORS header lines of every response to this request."""
        self.more_body = True
        """Whether more of the request's body may follow."""
        self.started = False
        """Whether the response has started."""
        self.complete = False
        """Whether the whole response is written."""
        self.disconnected = False
        """Whether the client is gone, its input ended within the request, or the response was aborted."""
        self.task: asyncio.Task[None] | None = None
        self.on_disconnect: Callable[[], None] | None = None
        """Called when `disconnected` becomes True."""
        self.on_end: Callable[[], None] | None = None
        """Called once when the request ends for any reason; releases its resources, such as a concurrency slot."""
        self.abandoned = False
        """Whether the request ended without a complete response."""
        self.is_event_stream = False
        self.parts_sent = 0
        self.connection = connection
        self._body = body
        self._waiter: asyncio.Future[None] | None = None
        self._head: bytes | None = None
        """The response's head until it is sent with the first piece of the body."""
        self._chunked = False
        self._body_bytes_left: int | None = None
        """Bytes of the response's body still to be sent; None if its length is unknown."""

    @property
    def ends_with_connection(self) -> bool:
        """Return whether only the end of the connection marks the end of the response (RFC 9112 6.3)."""
        return self.started and not self._chunked and self._body_bytes_left is None

    async def run(self, response: Awaitable[None]) -> None:
        """Await `response`, which sends the response; close the connection if it is left incomplete."""
        try:
            await response
        except Exception:  # noqa: BLE001 - the log has the exception; the client's connection is closed
            _log.exception("response_incomplete")
        finally:
            self.abandon()

    def abandon(self) -> None:
        """End a request without completing its response, and close its connection."""
        if self.complete or self.abandoned:
            return
        self.abandoned = True
        self.keep_alive = False
        self._release()
        self.connection.response_ended(self)

    def _release(self) -> None:
        on_end, self.on_end = self.on_end, None
        if on_end is not None:
            on_end()

    @property
    def has_buffered_body(self) -> bool:
        """Return whether a received part of the request's body is buffered."""
        return bool(self._body)

    def body_received(self, body: bytes) -> None:
        """Add a piece of the body; drop it if the response is complete."""
        if self.complete:
            return
        self._body = self._body + body if self._body else body
        if len(self._body) > MAX_BUFFERED_BODY:
            self.connection.client_transport.pause_reading()
        self._wake()

    def body_complete(self) -> None:
        """Mark the request's body as complete."""
        self.more_body = False
        self._wake()

    def take_body(self) -> bytes:
        """Return the buffered part of the body, and empty the buffer."""
        body, self._body = self._body, b""
        return body

    def disconnect(self) -> None:
        """End the request early: `receive` returns `http.disconnect`, and `on_disconnect` is called."""
        self.disconnected = True
        self._wake()
        if self.on_disconnect is not None:
            self.on_disconnect()

    async def receive(self) -> Message:
        """ASGI's receive: return the next piece of the body, or `http.disconnect`."""
        transport = self.connection.client_transport
        if self.expects_continue:
            self.expects_continue = False
            transport.write(_CONTINUE)
        if not self._body and self.more_body and not self.disconnected and not self.complete:
            transport.resume_reading()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self.disconnected or self.complete:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": self.take_body(), "more_body": self.more_body}

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def send(self, message: Message) -> None:
        """ASGI's send: write a part of the response. Do nothing if the client is gone."""
        if self.disconnected:
            return
        transport = self.connection.client_transport
        if transport.write_paused:
            await transport.drain()
        if not self.started:
            self.started = True
            self.expects_continue = False
            self._head = self._build_head(message["status"], message.get("headers", ()))
            return
        more = message.get("more_body", False)
        data = self._frame(message.get("body", b""), more)
        if self._head is not None:
            data = self._head + data
            self._head = None
        transport.write(data)
        self.parts_sent += 1
        if not more:
            self._complete()

    def abort(self) -> None:
        """Close the connection within the response, and cancel the request."""
        if not self.complete:
            self.connection.abort_response(self)
            self.disconnect()

    @property
    def can_upgrade(self) -> bool:
        """Return whether this request may take the connection over from HTTP."""
        return self.connection.can_upgrade

    def upgrade(self, next_protocol: NextProtocol) -> UpgradedConnection:
        """Hand the connection to `next_protocol`, which sends the response. Raises as the connection does."""
        connection = self.connection.upgrade(next_protocol)
        self.started = True
        return connection

    @property
    def is_blocked(self) -> bool:
        """Return whether a response cannot be written now: the client is gone, or does not read."""
        return self.disconnected or self.connection.client_transport.write_paused

    def respond(self, status: int, headers: HeaderFields, body: bytes) -> int:
        """Send a whole response at once. `is_blocked` must be False.

        Return the status. If the response cannot be written as HTTP, close the connection and return 0.
        """
        try:
            data = self._build_head(status, headers) + self._frame(body, False)
        except ValueError as error:
            _log.error("response_not_written", request_id=self.request.request_id, error=str(error))
            self.abandon()
            return 0
        self.started = True
        self.connection.client_transport.write(data)
        self._complete()
        return status

    def respond_with_cached_head(self, head: ResponseHead, more_headers: HeaderTuple, body: bytes) -> int:
        """Send a whole response at once, as `respond` does. The length of `body` must be `head.length`.

        `more_headers` are fields of the gateway, which contain no line ends.
        """
        self.started = True
        lines = head.lines
        if more_headers:
            lines += b"".join([b"%b: %b\r\n" % field for field in more_headers])
        data = complete_response(
            head.status,
            self.connection.default_response_lines(self.request.scheme),
            lines,
            self.request.request_id,
            cors_lines=self.cors_lines,
            connection_lines=self._connection_line(),
            body=body,
        )
        self.connection.client_transport.write(data)
        self._complete()
        return head.status

    def _build_head(self, status: int, headers: HeaderFields) -> bytes:
        """Return the head in wire format. Raises ValueError if a header contains a line end."""
        lines: list[bytes] = []
        for name, value in headers:
            if name == b"connection":  # written by `_connection_line`
                self.keep_alive = self.keep_alive and value != b"close"
                continue
            if name == b"content-length":
                if status in BODILESS:
                    continue
                self._body_bytes_left = int(value)
            lines += (name, b": ", value, b"\r\n")
        fields = b"".join(lines)
        if fields.count(b"\n") * 4 != len(lines) or fields.count(b"\r") * 4 != len(lines):
            raise ValueError("a response header contains a line end")
        framing_line = self._framing_line(status)
        return complete_response(
            status,
            self.connection.default_response_lines(self.request.scheme),
            fields,
            self.request.request_id,
            cors_lines=self.cors_lines,
            connection_lines=framing_line + self._connection_line(),
        )

    def _framing_line(self, status: int) -> bytes:
        """Choose the framing of the body (RFC 9112 6.3); return its header line, empty if none is needed."""
        if self.request.method == "HEAD" or status in BODILESS:
            self._body_bytes_left = 0
            return b""
        if self._body_bytes_left is not None:
            return b""
        if self.request.http_version == "1.1":
            self._chunked = True
            return b"transfer-encoding: chunked\r\n"
        self.keep_alive = False  # RFC 9112 6.3: the end of the connection ends the body
        return b""

    def _connection_line(self) -> bytes:
        if self.more_body:  # the rest of the request's body will not be read, so no next request can be parsed
            self.keep_alive = False
        if not self.keep_alive:
            return b"connection: close\r\n"
        return b"" if self.request.http_version == "1.1" else b"connection: keep-alive\r\n"

    def _frame(self, body: bytes, more: bool) -> bytes:
        """Return a piece of the body in wire format. Raises ValueError if its length contradicts Content-Length."""
        if self._chunked:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return chunk if more else chunk + b"0\r\n\r\n"
        if self._body_bytes_left is None:
            return body
        if self.request.method == "HEAD":
            return b""
        self._body_bytes_left -= len(body)
        if self._body_bytes_left < 0 or (self._body_bytes_left and not more):
            raise ValueError("the length of the body differs from Content-Length")
        return body

    def _complete(self) -> None:
        self.complete = True
        if self._waiter is not None:
            self._wake()
        if self.on_end is not None:
            self._release()
        self.connection.response_ended(self)
