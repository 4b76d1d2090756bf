"""Parse a client's bytes as HTTP/1.1 requests, with httptools.

The parser passes on each part of a request as soon as it is parsed: the head, pieces of the body, the end.
Trailers are discarded.
"""

from typing import NamedTuple, Protocol

import httptools
import structlog

from gateway.http.authority import origin_form, with_authority
from gateway.http.header_fields import OWS, list_elements

_log = structlog.get_logger("request_parser")


class MalformedRequest(ValueError):
    """The input is not valid HTTP/1.1. The text never quotes the input."""


class RequestHead(NamedTuple):
    """The head of a request. Names in `headers` are in lower case; `keep_alive` is what the client requests."""

    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    http_version: str
    keep_alive: bool
    expects_continue: bool


class HeadReceiver(Protocol):
    """Receives the heads of requests."""

    def head_received(self, head: RequestHead) -> None:
        """Receive the head of the next request."""


class BodyReceiver(Protocol):
    """Receives the rest of each request."""

    def body_received(self, body: bytes) -> None:
        """Receive a piece of the current request's body."""

    def request_received(self) -> None:
        """Note that the current request is received completely."""


class RequestParser:
    """Parses the requests of one connection."""

    __deletable__ = ("_body_receiver", "_head_receiver", "_parser")
    """Tells mypyc which attributes are deleted."""

    __slots__ = (
        "_body_framing",
        "_body_receiver",
        "_expects_continue",
        "_head_receiver",
        "_headers",
        "_in_body",
        "_parser",
        "_target",
        "bytes_outside_bodies",
        "in_head",
    )

    def __init__(self, head_receiver: HeadReceiver, body_receiver: BodyReceiver) -> None:
        self._head_receiver = head_receiver
        self._body_receiver = body_receiver
        self._parser = self._new_parser()
        self._body_framing = b""
        """A head to feed to a new httptools parser, so that it reads a body that httptools skips; empty if none."""
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._expects_continue = False
        self._in_body = False
        self.in_head = False
        """Whether a head has begun and is incomplete."""
        self.bytes_outside_bodies = 0
        """Bytes since the last head or piece of a body: an incomplete head, chunk extensions or trailers."""

    def feed(self, data: bytes) -> bytes | None:
        """Parse `data`. Raises MalformedRequest.

        CONNECT, and a request without a body that asks for an upgrade (RFC 9110 7.8), stop the parser: return the
        bytes after the request, which may be empty. Feed them again if the connection stays with HTTP. In all other
        cases return None.
        """
        self.bytes_outside_bodies += len(data)
        pieces: tuple[bytes, ...] = (data,)
        while True:
            try:
                for piece in pieces:
                    self._parser.feed_data(piece)
            except httptools.HttpParserUpgrade as upgrade:
                rest = pieces[-1][upgrade.args[0] :]
                self._parser = self._new_parser()
                if not self._body_framing:
                    return rest
                pieces = self._body_framing, rest
                self._body_framing = b""
            except httptools.HttpParserError as error:
                if isinstance(error, httptools.HttpParserCallbackError):  # an exception of our callbacks
                    _log.error("request_reader_failed", exc_info=error)
                raise MalformedRequest(str(error)[:80]) from error
            else:
                return None

    def release(self) -> None:
        """Drop the references to httptools and the connection, which refer back. Do not feed the parser after that.

        Otherwise only the garbage collector would free a closed connection.
        """
        del self._parser, self._head_receiver, self._body_receiver

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # Data after a request with `Connection: close` is ignored; it must not prevent that request's response.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def on_message_begin(self) -> None:
        """Reset the state for a new request. Called by httptools."""
        if self._in_body:  # this head is `_body_framing`, not the client's
            return
        self.in_head = True
        self._target = b""
        self._headers = []
        self._expects_continue = False

    def on_url(self, url: bytes) -> None:
        """Add a piece of the request target. Called by httptools."""
        if not self._in_body:
            self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header field; ignore trailers. Called by httptools."""
        if self._in_body:
            return
        name = name.lower()
        value = value.strip(OWS)
        if name == b"expect":
            self._expects_continue = b"100-continue" in list_elements(value.lower())
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Pass the head on. Called by httptools."""
        if self._in_body:
            return
        self.in_head = False
        self._in_body = True
        self.bytes_outside_bodies = 0
        parser, target = self._parser, self._target
        method, version = parser.get_method().decode("ascii"), parser.get_http_version()
        headers, self._headers = self._headers, []
        if not target.startswith(b"/"):
            target, authority = origin_form(method, target)
            if authority:
                headers = with_authority(headers, authority, version)
        path, _, query = target.partition(b"?")
        if parser.should_upgrade() and method != "CONNECT":
            # httptools skips the body as if it were the new protocol; by RFC 9110 7.8 it belongs to this request.
            self._body_framing = _framing_of_body(headers, version)
        self._head_receiver.head_received(
            RequestHead(
                method,
                path,
                query,
                headers,
                version,
                parser.should_keep_alive() and method != "CONNECT",
                self._expects_continue,
            )
        )

    def on_body(self, body: bytes) -> None:
        """Pass a piece of the body on. Called by httptools."""
        self.bytes_outside_bodies = 0
        self._body_receiver.body_received(body)

    def on_message_complete(self) -> None:
        """End the request. Called by httptools."""
        if self._body_framing:  # a new httptools parser will read the body
            return
        self._in_body = False
        self._body_receiver.request_received()


def _framing_of_body(headers: list[tuple[bytes, bytes]], version: str) -> bytes:
    """Return a minimal head with the body framing of `headers` (RFC 9112 6.3); empty if there is no body."""
    lines = [(name, value) for name, value in headers if name in (b"content-length", b"transfer-encoding")]
    if all(name == b"content-length" and not value.strip(b" \t0") for name, value in lines):
        return b""
    fields = b"".join(b"%b: %b\r\n" % line for line in lines)
    return b"POST / HTTP/%b\r\nConnection: keep-alive\r\n%b\r\n" % (version.encode("ascii"), fields)
