"""Owns the form in which a request reaches the pipeline."""

from typing import NamedTuple

from gateway.server.request_head_cache import CachedRequest


class Request(NamedTuple):
    """A request as it came. Header names are in lower case; path and query are undecoded.

    A named tuple, because a frozen dataclass of this size costs a request another microsecond.
    """

    request_id: str
    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    http_version: str
    client: str
    scheme: str
    server: tuple[str, int | None] | None
    known: CachedRequest | None = None
    """What of this everybody says who asks for the same; then `token` is what this one says besides."""
    token: str = ""

    def header(self, name: bytes) -> str | None:
        """The first field called `name`, which is in lower case."""
        return next((value.decode("latin-1") for known, value in self.headers if known == name), None)
