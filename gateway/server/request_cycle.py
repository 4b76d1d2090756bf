"""Owns one request on a client's connection and the answer that is written for it: ASGI's receive and send.

An answer's head is held back until the first of its body, so that a small answer is one write and one packet.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol

import structlog

from gateway.http.request import Request
from gateway.http.response_completion import complete_response
from gateway.http.response_head import BODILESS, ResponseHead

Message = MutableMapping[str, Any]
Headers = Iterable[tuple[bytes, bytes]]

HIGH_WATER = 65_536
"""Bytes of a request's body that may wait to be received before reading pauses."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_log = structlog.get_logger("cycle")


HandedOver = tuple[asyncio.Transport, bytes]
"""A connection that another protocol is to go on with, and what was read on it ahead of that."""


class Heir(Protocol):
    """Who goes on with a client's connection when HTTP has ended on it."""

    def enforce_deadlines(self, now: float) -> None:
        """Is told the loop's time once a second."""


class Connection(Protocol):
    """What a cycle needs of the connection it is on."""

    def write(self, data: bytes) -> None:
        """Sends `data` to the client."""

    async def drain(self) -> None:
        """Returns when the client takes more."""

    write_paused: bool
    """Whether the client takes no more at the moment."""

    def default_response_lines(self, scheme: str) -> bytes:
        """What every answer says that is written now, to a client that came by `scheme`: ended lines."""

    def pause_reading(self) -> None:
        """Reads no more of the body for now."""

    def resume_reading(self) -> None:
        """Reads on."""

    @property
    def may_switch(self) -> bool:
        """Whether the request that is being answered may go on in another protocol."""

    def cut(self, cycle: "RequestCycle") -> None:
        """Ends the connection at once, so that the answer does not look whole."""

    def hand_over(self, heir: "Heir") -> "HandedOver":
        """Gives the connection away."""

    def finished(self, cycle: "RequestCycle") -> None:
        """Is told when the answer is complete, or never will be."""


class RequestCycle:
    """A request and its answer."""

    __slots__ = (
        "_body",
        "_chunked",
        "_connection",
        "_head",
        "_left",
        "_waiter",
        "abandoned",
        "complete",
        "cors_lines",
        "disconnected",
        "expects_continue",
        "is_event_stream",
        "keep_alive",
        "more_body",
        "on_gone",
        "on_over",
        "request",
        "started",
        "task",
        "written",
    )

    def __init__(self, connection: Connection, request: Request, *, keep_alive: bool, expects_continue: bool) -> None:
        self.request = request
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue
        """Whether the client waits with the body until it is asked for it."""
        self.cors_lines = b""
        """What the answer says, whatever it is, to the page that asks: ended lines."""
        self.more_body = True
        self.started = False
        self.complete = False
        self.disconnected = False
        self.task: asyncio.Task[None] | None = None
        self.on_gone: Callable[[], None] | None = None
        """Called when the client has hung up."""
        self.on_over: Callable[[], None] | None = None
        """Called once, when the request is over, however it ended: gives back what was taken for it."""
        self.abandoned = False
        self.is_event_stream = False
        """Whether the answer is a stream of events, which has no end of its own."""
        self.written = 0
        """Parts of the answer that were sent, where it is sent in parts."""
        self._connection = connection
        self._body = b""
        self._waiter: asyncio.Future[None] | None = None
        self._head: bytes | None = None
        self._chunked = False
        self._left: int | None = None

    @property
    def ends_with_connection(self) -> bool:
        """Whether nothing but the connection's end tells that the answer is whole (RFC 9112 6.3)."""
        return self.started and not self._chunked and self._left is None

    async def run(self, answering: Awaitable[None]) -> None:
        """Waits for the answer; whatever is left unfinished ends the connection."""
        try:
            await answering
        except Exception:  # noqa: BLE001 - the client sees its connection end, the log why
            _log.exception("response_incomplete")
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Ends a request whose answer is not complete, and never will be; its connection ends with it."""
        if self.complete or self.abandoned:
            return
        self.abandoned = True
        self.keep_alive = False
        self._give_back()
        self._connection.finished(self)

    def _give_back(self) -> None:
        on_over, self.on_over = self.on_over, None
        if on_over is not None:
            on_over()

    @property
    def has_body(self) -> bool:
        """Whether any of a body has come that was not taken yet."""
        return bool(self._body)

    # --- the request's body ------------------------------------------------------------------------------------

    def feed(self, body: bytes) -> None:
        """Takes a part of the body from the parser; a part that nobody will ask for is dropped."""
        if self.complete:
            return
        self._body = self._body + body if self._body else body
        if len(self._body) > HIGH_WATER:
            self._connection.pause_reading()
        self._wake()

    def end_of_body(self) -> None:
        """Is told by the parser that the request is whole."""
        self.more_body = False
        self._wake()

    def take_body(self) -> bytes:
        """The body of a request that has come whole."""
        body, self._body = self._body, b""
        return body

    def disconnect(self) -> None:
        """Is told that the client has gone."""
        self.disconnected = True
        self._wake()
        if self.on_gone is not None:
            self.on_gone()

    async def receive(self) -> Message:
        """ASGI's receive: the next part of the body, or that the client has gone."""
        if self.expects_continue:
            self.expects_continue = False
            self._connection.write(_CONTINUE)
        if not self._body and self.more_body and not self.disconnected and not self.complete:
            self._connection.resume_reading()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self.disconnected or self.complete:
            return {"type": "http.disconnect"}
        body, self._body = self._body, b""
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- the answer --------------------------------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """ASGI's send. To a client that has gone, says nothing."""
        if self.disconnected:
            return
        if self._connection.write_paused:
            await self._connection.drain()
        if not self.started:
            self.started = True
            self.expects_continue = False
            self._head = self._built_head(message["status"], message.get("headers", ()))
            return
        more = message.get("more_body", False)
        data = self._framed(message.get("body", b""), more)
        if self._head is not None:
            data = self._head + data
            self._head = None
        self._connection.write(data)
        self.written += 1
        if not more:
            self._complete()

    def cut(self) -> None:
        """Ends the connection in the middle of the answer, and what is still being done for it."""
        if not self.complete:
            self._connection.cut(self)
            self.disconnect()

    @property
    def may_switch(self) -> bool:
        """Whether HTTP may end on the connection with this request."""
        return self._connection.may_switch

    def hand_over(self, heir: Heir) -> HandedOver:
        """Gives the connection to `heir`, who answers then. Raises ConnectionError where the client has gone."""
        given = self._connection.hand_over(heir)
        self.started = True
        return given

    @property
    def is_blocked(self) -> bool:
        """Whether an answer has to wait: the client has gone, or takes no more at the moment."""
        return self.disconnected or self._connection.write_paused

    def answer(self, status: int, headers: Headers, body: bytes) -> int:
        """The whole answer at once, for a cycle that is not blocked.

        Gives the status; 0 for an answer that cannot be written as HTTP: then the connection ends instead.
        """
        try:
            data = self._built_head(status, headers) + self._framed(body, False)
        except ValueError as error:
            _log.error("response_not_written", request_id=self.request.request_id, reason=str(error))
            self.abandon()
            return 0
        self.started = True
        self._connection.write(data)
        self._complete()
        return status

    def answer_known(self, known: ResponseHead, body: bytes) -> int:
        """Send the response whose head was cached; `body` has the length that the head says. Return the status."""
        self.started = True
        data = complete_response(
            known.status,
            self._connection.default_response_lines(self.request.scheme),
            known.lines,
            self.request.request_id,
            cors_lines=self.cors_lines,
            connection_lines=self._persistence(),
            body=body,
        )
        self._connection.write(data)
        self._complete()
        return known.status

    def _built_head(self, status: int, headers: Headers) -> bytes:
        lines: list[bytes] = []
        for name, value in headers:
            if name == b"connection":  # said below, once
                self.keep_alive = self.keep_alive and value != b"close"
                continue
            if name == b"content-length":
                if status in BODILESS:
                    continue
                self._left = int(value)
            lines += (name, b": ", value, b"\r\n")
        fields = b"".join(lines)
        if fields.count(b"\n") * 4 != len(lines) or fields.count(b"\r") * 4 != len(lines):
            raise ValueError("a header of the answer holds a line end")
        framing = self._framing(status)
        return complete_response(
            status,
            self._connection.default_response_lines(self.request.scheme),
            fields,
            self.request.request_id,
            cors_lines=self.cors_lines,
            connection_lines=framing + self._persistence(),
        )

    def _framing(self, status: int) -> bytes:
        if self.request.method == "HEAD" or status in BODILESS:
            self._left = 0
            return b""
        if self._left is not None:
            return b""
        if self.request.http_version == "1.1":
            self._chunked = True
            return b"transfer-encoding: chunked\r\n"
        self.keep_alive = False  # RFC 9112 6.3: for HTTP/1.0 the connection's end is the body's
        return b""

    def _persistence(self) -> bytes:
        if self.more_body:  # nobody will take the rest of it, and the next request could not be told from it
            self.keep_alive = False
        if not self.keep_alive:
            return b"connection: close\r\n"
        return b"" if self.request.http_version == "1.1" else b"connection: keep-alive\r\n"

    def _framed(self, body: bytes, more: bool) -> bytes:
        if self._chunked:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return chunk if more else chunk + b"0\r\n\r\n"
        if self._left is None:
            return body
        if self.request.method == "HEAD":
            return b""
        self._left -= len(body)
        if self._left < 0 or (self._left and not more):
            raise ValueError("an answer's body is not as long as its Content-Length")
        return body

    def _complete(self) -> None:
        self.complete = True
        if self._waiter is not None:
            self._wake()
        if self.on_over is not None:
            self._give_back()
        self._connection.finished(self)
