"""Parse the responses on an upstream connection, with httptools."""

from collections.abc import Iterable

import httptools

from contract.identity import REFUSED_HEADER
from contract.page_session import CHANGE_HEADER
from gateway.http.header_fields import OWS
from gateway.http.response_head import BODILESS, ResponseHead
from gateway.http.response_headers import read_response_fields
from gateway.upstream_connections.response_framing import InvalidFraming, read_framing

SWITCHING_PROTOCOLS = 101
"""The status with which a server changes to another protocol than HTTP (RFC 9110 15.2.2)."""

URL_FIELDS = frozenset({b"location", b"content-location", b"refresh"})
"""Response header fields that contain a URL, in lower case."""

_SEE_OTHER = 303
_UNAUTHORIZED = 401
_SESSION_CHANGE = CHANGE_HEADER.lower().encode("ascii")
_IDENTITY_REFUSED = REFUSED_HEADER.lower().encode("ascii")


def read_identity_rejection(raw_headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the reason in a service's 401 if it refused the identity assertion; empty for any other 401."""
    reasons = [value for name, value in raw_headers if name.lower() == _IDENTITY_REFUSED]
    return (reasons[0].decode("latin-1") or "no reason given") if reasons else ""


def read_session_change(raw_headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return how the auth service's response to a page's form changes the session cookie; empty if it does not."""
    changes = [value for name, value in raw_headers if name.lower() == _SESSION_CHANGE]
    return changes[0].decode("latin-1") if len(changes) == 1 else ""


class ResponseParser:
    """Parses the responses of one connection, one after the other. The `on_` methods are httptools' callbacks.

    UpstreamConnection inherits from it. So `status` and `complete` are attributes of the connection itself, which
    saves a look-up. `status`, `headers` and `complete` are valid from the end of the head until the next request.
    """

    __deletable__ = ("_parser",)
    """Tells mypyc which attributes are deleted."""

    __slots__ = (
        "_body_bytes",
        "_buffered_bytes",
        "_chunks",
        "_content_length",
        "_ends_at_eof",
        "_head_bytes",
        "_headers",
        "_is_head_request",
        "_keep_cookies",
        "_keeps_alive",
        "_parser",
        "_raw_headers",
        "_reading_head",
        "_upgrade_allowed",
        "cached_head",
        "complete",
        "has_url_fields",
        "identity_rejection",
        "is_bodiless",
        "session_change",
        "status",
    )

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._is_head_request = False
        self._keep_cookies = False
        self._upgrade_allowed = False
        self._reading_head = True
        self._raw_headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        """Bytes of the head in earlier calls of data_received; 0 if the whole head arrived in one call."""
        self._chunks: list[bytes] = []
        """Parts of the body that the caller has not taken yet."""
        self._buffered_bytes = 0
        """Bytes in `_chunks`."""
        self._body_bytes = 0
        """Bytes of the body received so far."""
        self._content_length: int | None = None
        self._ends_at_eof = False
        self._keeps_alive = False
        self.status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self.cached_head: ResponseHead | None = None
        """The head, if it was read by the cache of heads instead of the parser."""
        self.is_bodiless = False
        """Whether the response is one to HEAD, a 204 or a 304, which have no body (RFC 9112 6.3)."""
        self.has_url_fields = False
        """Whether a field of URL_FIELDS is in `headers`."""
        self.identity_rejection = ""
        """Why the service refused the identity assertion, or empty. Valid only if `cached_head` is None."""
        self.session_change = ""
        """The X-Session-Change of a 303, or empty. Valid only if `cached_head` is None."""
        self.complete = False

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The fields for the client, names in lower case."""
        return self._headers if self.cached_head is None else self.cached_head.fields()

    def feed(self, data: bytes) -> None:
        """Parse the next bytes. Raises httptools.HttpParserError and HttpParserUpgrade."""
        self._parser.feed_data(data)

    # --- httptools callbacks -----------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Prevent the reuse of a connection on which a second response to one request begins."""
        if self.complete:
            self._keeps_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header field. Trailer fields are discarded."""
        if self._reading_head:
            self._raw_headers.append((name, value.strip(OWS)))

    def on_headers_complete(self) -> None:
        """Set the response's attributes at the end of its head; skip interim responses. Raises InvalidFraming."""
        if self.complete:
            return
        status = self._parser.get_status_code()
        if status == SWITCHING_PROTOCOLS and self._upgrade_allowed:
            self.status = status
            self._headers = [(name.lower(), value) for name, value in self._raw_headers]
            self._reading_head = False
            return
        if status < 100:
            raise InvalidFraming(f"status {status:03}")  # RFC 9110 15: the lowest status is 100
        if status < 200:  # an interim response (RFC 9110 15.2): not forwarded, and the final response follows
            self._raw_headers = []
            return
        framing = read_framing(self._raw_headers, self._parser.get_http_version())
        self.status = status
        self._headers = read_response_fields(self._raw_headers, keep_cookies=self._keep_cookies)
        self.has_url_fields = any(name in URL_FIELDS for name, _ in self._headers)
        self.identity_rejection = read_identity_rejection(self._raw_headers) if status == _UNAUTHORIZED else ""
        self.session_change = read_session_change(self._raw_headers) if status == _SEE_OTHER else ""
        self._reading_head = False
        self._body_bytes = 0
        self._content_length = framing.content_length
        self.is_bodiless = self._is_head_request or status in BODILESS
        self._ends_at_eof = framing.ends_at_eof
        if self._is_head_request:
            self._end_without_body()

    def on_body(self, body: bytes) -> None:
        """Add a part of the body, without its chunk framing."""
        if self.complete:  # a body after a response to HEAD
            self._keeps_alive = False
            return
        self._chunks.append(body)
        self._buffered_bytes += len(body)
        self._body_bytes += len(body)

    def on_message_complete(self) -> None:
        """Mark the response as complete at its end; ignore the end of an interim response."""
        if not self._reading_head and not self.complete:
            self.complete = True
            self._keeps_alive = self._parser.should_keep_alive()

    def _end_without_body(self) -> None:
        # A new parser, because httptools would read a body of the Content-Length after a response to HEAD.
        self.complete = True
        self._keeps_alive = self._parser.should_keep_alive()
        self._parser = httptools.HttpResponseParser(self)

    # --- the end of a response ---------------------------------------------------------------------------------

    def _has_surplus_bytes(self, data: bytes, head_ends_here: bool, body_bytes: int) -> bool:
        """Return whether `data`, which completed the response, has surplus bytes after the response's end.

        `body_bytes` is the length of the body's part in `data`. httptools reports a second message as an error or by
        on_message_begin, but it skips line ends before a message without a report.
        """
        if head_ends_here:
            if self._head_bytes:  # where the head ends in `data` is unknown, so assume that there are more bytes
                return True
            data = data[data.find(b"\r\n\r\n") + 4 :]
        if self.is_bodiless:
            return bool(data)
        if self._content_length is not None:
            return len(data) != body_bytes
        # A chunked body ends with one empty line; a second one, with CRLF or LF, is surplus, as is any other byte.
        return data.endswith((b"\r\n\r\n\r\n", b"\n\n")) or not data.endswith(b"\n")
