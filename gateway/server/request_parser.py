"""Owns what a client's bytes say in HTTP/1.1: one request after the other, as httptools reads them.

Whatever is read is told to the owner at once: a request's head, a part of its body, its end. Trailers are discarded.
"""

from typing import NamedTuple, Protocol

import httptools

from gateway.http.authority import origin_form, with_authority
from gateway.http.list_fields import OWS, elements


class RequestHead(NamedTuple):
    """A request up to its body; names of `headers` in lower case. `keep_alive` as the client wants it."""

    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    http_version: str
    keep_alive: bool
    expects_continue: bool


class Owner(Protocol):
    """Who has a client's bytes read."""

    def begin_request(self, head: RequestHead) -> None:
        """Is told a request's head as soon as it is whole."""

    def take_body(self, body: bytes) -> None:
        """Is told a part of its body."""

    def end_request(self) -> None:
        """Is told that it is whole."""


class RequestReader:
    """Reads the requests of one connection."""

    __slots__ = (
        "_body_framing",
        "_expects_continue",
        "_headers",
        "_in_body",
        "_owner",
        "_parser",
        "_target",
        "in_head",
    )

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._parser = self._new_parser()
        self._body_framing = b""
        """A head that frames the body which the parser is about to leave out; empty where it leaves none out."""
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._expects_continue = False
        self._in_body = False
        self.in_head = False
        """Whether a request's head has begun and is not whole yet."""

    def feed(self, data: bytes) -> bytes | None:
        """Reads on. Raises httptools.HttpParserError for what is malformed.

        A request without a body that asks for another protocol (RFC 9110 7.8) ends the reading: what follows it is
        returned, perhaps nothing, to be fed once it is certain that HTTP goes on. None everywhere else.
        """
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                self._parser = self._new_parser()
                if not self._body_framing:
                    return data
                framing, self._body_framing = self._body_framing, b""
                self._parser.feed_data(framing)
            else:
                return None

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # What follows a request with `Connection: close` must not harm the answer to it; it is never served.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    # --- httptools ---------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Called by the parser."""
        if self._in_body:  # the head that frames the rest of a body
            return
        self.in_head = True
        self._target = b""
        self._headers = []
        self._expects_continue = False

    def on_url(self, url: bytes) -> None:
        """Called by the parser, perhaps with a part."""
        if not self._in_body:
            self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser, for trailers as well."""
        if self._in_body:
            return
        name = name.lower()
        value = value.strip(OWS)
        if name == b"expect":
            self._expects_continue = b"100-continue" in elements(value.lower())
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        if self._in_body:
            return
        self.in_head = False
        self._in_body = True
        parser, target = self._parser, self._target
        method, version = parser.get_method().decode("ascii"), parser.get_http_version()
        headers, self._headers = self._headers, []
        if not target.startswith(b"/"):
            target, authority = origin_form(method, target)
            if authority:
                headers = with_authority(headers, authority, version)
        path, _, query = target.partition(b"?")
        if parser.should_upgrade() and method != "CONNECT":
            # The parser takes the body for another protocol, and RFC 9110 7.8 says that it is this request's.
            self._body_framing = _framing_of_body(headers, version)
        self._owner.begin_request(
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
        """Called by the parser."""
        self._owner.take_body(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._body_framing:  # the parser that comes next reads the body
            return
        self._in_body = False
        self._owner.end_request()


def _framing_of_body(headers: list[tuple[bytes, bytes]], version: str) -> bytes:
    """A head that says of its body what `headers` say; empty where they say that there is none."""
    lines = [(name, value) for name, value in headers if name in (b"content-length", b"transfer-encoding")]
    if all(name == b"content-length" and not value.strip(b" \t0") for name, value in lines):
        return b""
    fields = b"".join(b"%b: %b\r\n" % line for line in lines)
    return b"POST / HTTP/%b\r\nConnection: keep-alive\r\n%b\r\n" % (version.encode("ascii"), fields)
