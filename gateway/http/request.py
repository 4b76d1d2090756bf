"""The request, as the server passes it to the pipeline."""

from dataclasses import dataclass
from typing import NamedTuple

from gateway.http.header_fields import HeaderList, HeaderTuple


@dataclass(frozen=True, slots=True, eq=False)
class CachedHead:
    """The parsed head of a repeated request. Requests that differ only in their credentials share it.

    The values of Authorization and Cookie are empty in `headers`. It is compared and hashed by identity, so that
    other caches can use it as a key at little cost.
    """

    method: str
    path: bytes
    query: bytes
    headers: HeaderTuple
    http_version: str
    token_index: int | None = None
    """Index in `headers` of the Authorization field; None if there is no such field."""
    cookie_index: int | None = None
    """Index in `headers` of the Cookie field; None if there is no such field."""
    origin: str | None = None
    """The value of the first Origin field; None if there is none."""


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
