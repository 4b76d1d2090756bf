"""The request, as the server passes it to the pipeline."""

from dataclasses import dataclass
from typing import NamedTuple

from chassis.tracing.trace_context import RequestTrace
from gateway.http.header_fields import HeaderList, HeaderTuple


@dataclass(frozen=True, slots=True, eq=False)
class HeaderSection:
    """A parsed header section (RFC 9112 5) that the server has received more than once.

    Requests share it if their header sections differ only in credentials, Content-Length, traceparent and
    If-None-Match; in `headers`, the values of those fields are empty. It is compared and hashed by identity, so that
    other caches can use it as a key at little cost.
    """

    headers: HeaderTuple
    origin: str | None = None
    """The value of the first Origin field; None if there is none."""


class RequestTarget(NamedTuple):
    """The method and the target of a request.

    A named tuple, because a frozen dataclass of this size costs 0.6 us more per request.
    """

    method: str
    path: bytes
    query: bytes
    is_repeated: bool
    """Whether it came before, so that it is worth an entry in a cache."""


class KnownFields(NamedTuple):
    """The header fields of one request whose header section is cached. They include its credentials."""

    section: HeaderSection
    headers: HeaderList
    content_length: int | None
    token: str
    """The Bearer token; empty if there is none."""
    token_digest: bytes
    """contract.credentials.token_digest of `token`; empty if there is none."""
    refresh_token: str | None
    cookies: bytes = b""
    """The value of Cookie; empty if there is no such field."""
    traceparent: bytes = b""
    if_none_match: bytes = b""


class Request(NamedTuple):
    """A parsed request. Header names are in lower case; path and query are not percent-decoded.

    A named tuple, because a frozen dataclass of this size costs 1 us more per request.
    """

    request_id: str
    method: str
    path: bytes
    query: bytes
    headers: HeaderList
    http_version: str
    client: str
    scheme: str
    server: tuple[str, int | None] | None
    target: RequestTarget | None = None
    """The method, path and query if the request was not parsed."""
    known_fields: KnownFields | None = None
    """The header fields if the request was not parsed, because their section is cached."""

    def header(self, name: bytes) -> str | None:
        """Return the value of the first field called `name` (in lower case), or None."""
        return next((value.decode("latin-1") for known, value in self.headers if known == name), None)


class RequestRecord:
    """What is known of a request when its response has ended, for logs, metrics and traces.

    Times are in seconds since the epoch.
    The defaults are attributes of the class, because most requests set only some of them, and an object without
    `__init__` is made in a third of the time.
    """

    route: str = ""
    """The prefix of the route; empty if no route matches."""
    upstream: str = ""
    """The name of the route's upstream."""
    subject: str = ""
    """The subject of the authenticated client; empty on a public route and before authentication."""
    session: str = ""
    """The session id (`sid`) of the client."""
    sent_at: float = 0.0
    """When the request was sent to the upstream; 0 if it was not."""
    answered_at: float = 0.0
    """When the upstream's response ended or failed; 0 if the request was not sent."""
    is_stream: bool = False
    """Whether the response is an event stream or another response of a route with `streams`."""
    is_from_trusted_proxy: bool = False
    """Whether a proxy of TRUSTED_PROXIES sent the request."""
    trace: RequestTrace | None = None
    """The ids of its spans; None if traces are off."""
    trace_lines: bytes = b""
    """The header lines with which the upstream continues the trace; empty if traces are off."""
    trace_id: str = ""
    """The trace id (W3C Trace Context), 32 hexadecimal digits; empty if the request belongs to no trace."""
