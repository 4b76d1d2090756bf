"""The response on an upstream connection, and the httptools callbacks that fill it in."""

from collections.abc import Iterable

import httptools

from contract.identity import REFUSED_HEADER
from gateway.http.header_fields import OWS
from gateway.http.response_head import BODILESS, ResponseHead
from gateway.http.response_headers import read_response_fields
from gateway.upstream_connections.response_framing import InvalidFraming, read_framing

SWITCHING_PROTOCOLS = 101
"""The status with which a server leaves HTTP (RFC 9110 15.2.2)."""

URL_FIELDS = frozenset({b"location", b"content-location", b"refresh"})
"""Response header fields that hold a URL, in lower case."""

_UNAUTHORIZED = 401
_IDENTITY_REFUSED = REFUSED_HEADER.lower().encode("ascii")


def read_identity_rejection(raw_headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return why a service refused the identity assertion, from its 401; empty for any other 401."""
    reasons = [value for name, value in raw_headers if name.lower() == _IDENTITY_REFUSED]
    return (reasons[0].decode("latin-1") or "no reason given") if reasons else ""


class ResponseParser:
    """Parse one response after the other from a connection.

    UpstreamConnection inherits from it instead of holding one, so that reading `status` or `complete` costs a request
    no second look-up. `status`, `headers` and `complete` are valid from the end of the head until the next request.
    """

    __slots__ = (
        "_body_bytes",
        "_buffered_bytes",
        "_chunks",
        "_content_length",
        "_ends_at_eof",
        "_head_bytes",
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
        "headers",
        "identity_rejection",
        "is_bodiless",
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
        """Bytes of the head in earlier packets; 0 when the whole head came in one."""
        self._chunks: list[bytes] = []
        """Parts of the body that the caller has not taken yet."""
        self._buffered_bytes = 0
        self._body_bytes = 0
        self._content_length: int | None = None
        self._ends_at_eof = False
        self._keeps_alive = False
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.cached_head: ResponseHead | None = None
        """The cache entry, when the head is byte for byte one that was parsed before."""
        self.is_bodiless = False
        """Whether the response ended with its head, whatever its fields say (RFC 9112 6.3)."""
        self.has_url_fields = False
        """Whether a field of URL_FIELDS is in `headers`."""
        self.identity_rejection = ""
        """Why the service refused the identity assertion. Valid only while `cached_head` is None."""
        self.complete = False

    # --- httptools callbacks -----------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Called at the first byte of a response."""
        if self.complete:  # a second response to one request: nothing on this connection can be trusted any more
            self._keeps_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called for each field, trailers included; trailers are discarded."""
        if self._reading_head:
            self._raw_headers.append((name, value.strip(OWS)))

    def on_headers_complete(self) -> None:
        """Called at the end of a head, interim responses included. Raises InvalidFraming."""
        if self.complete:
            return
        status = self._parser.get_status_code()
        if status == SWITCHING_PROTOCOLS and self._upgrade_allowed:
            self.status = status
            self.headers = [(name.lower(), value) for name, value in self._raw_headers]
            self._reading_head = False
            return
        if status < 100:
            raise InvalidFraming(f"status {status:03}")  # RFC 9110 15: there is no such class
        if status < 200:  # RFC 9110 15.2: interim responses are for the next hop, which is the gateway
            self._raw_headers = []
            return
        framing = read_framing(self._raw_headers, self._parser.get_http_version())
        self.status = status
        self.headers = read_response_fields(self._raw_headers, keep_cookies=self._keep_cookies)
        self.has_url_fields = any(name in URL_FIELDS for name, _ in self.headers)
        self.identity_rejection = read_identity_rejection(self._raw_headers) if status == _UNAUTHORIZED else ""
        self._reading_head = False
        self._body_bytes = 0
        self._content_length = framing.content_length
        self.is_bodiless = self._is_head_request or status in BODILESS
        self._ends_at_eof = framing.ends_at_eof
        if self._is_head_request:
            self._end_without_body()

    def on_body(self, body: bytes) -> None:
        """Called for each part of the body, without its chunk framing."""
        if self.complete:  # a response to HEAD that has a body nevertheless
            self._keeps_alive = False
            return
        self._chunks.append(body)
        self._buffered_bytes += len(body)
        self._body_bytes += len(body)

    def on_message_complete(self) -> None:
        """Called at the end of a response, interim responses included."""
        if not self._reading_head and not self.complete:
            self.complete = True
            self._keeps_alive = self._parser.should_keep_alive()

    def _end_without_body(self) -> None:
        # httptools cannot be told that a response to HEAD has no body, whatever its Content-Length says.
        self.complete = True
        self._keeps_alive = self._parser.should_keep_alive()
        self._parser = httptools.HttpResponseParser(self)

    # --- the end of a response ---------------------------------------------------------------------------------

    def _has_trailing_bytes(self, data: bytes, head_ends_here: bool, body_bytes: int) -> bool:
        """Return whether `data`, which completed the response, holds more than its end.

        httptools reports a second message, but skips empty lines and whatever it takes for body framing.
        """
        if head_ends_here:
            if self._head_bytes:  # the head's end within `data` is not known
                return True
            data = data[data.find(b"\r\n\r\n") + 4 :]
        if self.is_bodiless:
            return bool(data)
        if self._content_length is not None:
            return len(data) != body_bytes
        return data.endswith((b"\r\n\r\n\r\n", b"\n\n")) or not data.endswith(b"\n")
