"""The request, as the server hands it to the pipeline."""

from dataclasses import dataclass
from typing import NamedTuple

from gateway.http.header_fields import HeaderList, HeaderTuple


@dataclass(frozen=True, slots=True, eq=False)
class CachedHead:
    """The head of a request that comes repeatedly. Requests whose bytes differ in the access token alone share it.

    It has every header field as it came, including cookies, but not the access token. It is compared and hashed by
    identity, so that what follows from a head can be cached by it.
    """

    method: str
    path: bytes
    query: bytes
    headers: HeaderTuple
    http_version: str
    token_index: int | None = None
    """Index in `headers` of the Authorization field, whose value is empty here; None if there is no such field."""
    origin: str | None = None
    """The value of the Origin field."""


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
    cached_head: CachedHead | None = None
    token: str = ""
    """The Bearer token of a request with a cached head; empty if it has none."""

    def header(self, name: bytes) -> str | None:
        """Return the value of the first field called `name` (in lower case), or None."""
        return next((value.decode("latin-1") for known, value in self.headers if known == name), None)
