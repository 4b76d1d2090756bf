"""Cache of parsed request heads. The key is the bytes of a head without its access token.

Requests of one client for one resource differ only in the access token. So do requests of many clients with the same
software. A head whose bytes are cached is not parsed again. The token is removed before the look-up and is verified
for each request. Figures: docs/decisions/0012.
"""

from typing import NamedTuple

from gateway.bounded_cache import BoundedCache
from gateway.http.request import CachedHead, Request

MAX_ENTRIES = 4_096
"""Maximum number of cached heads, and of remembered hashes of heads that were received once."""

MAX_HEAD_BYTES = 4_096
"""A larger head is not cached."""

_METHODS = frozenset({"GET", "HEAD"})

_BEARER = b"uthorization: Bearer "  # without the first letter, which clients write in either case
_LINE_STARTS = (b"\r\nA", b"\r\na")
_TOKEN68 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
"""Characters of a token (RFC 6750 2.1). A head whose token has padding (`=`) is always parsed."""


class CacheHit(NamedTuple):
    """A cached head with the token of one request; `headers` includes that token."""

    head: CachedHead
    headers: list[tuple[bytes, bytes]]
    token: str


class RequestHeadCache:
    """The cached heads of one worker.

    A head is cached when it is received for the second time, so a head that is received once costs only a hash.
    """

    def __init__(self) -> None:
        self._heads: BoundedCache[bytes, CachedHead] = BoundedCache(MAX_ENTRIES)
        self._seen_once: BoundedCache[int, None] = BoundedCache(MAX_ENTRIES)

    def __len__(self) -> int:
        return len(self._heads)

    def find(self, data: bytes) -> CacheHit | None:
        """Return the cached head of the request in `data`, or None."""
        if len(data) > MAX_HEAD_BYTES:
            return None
        key, token = _without_token(data)
        head = self._heads.get(key)
        if head is None:
            return None
        headers = list(head.headers)
        if head.token_index is None:
            return CacheHit(head, headers, "")
        if not token or token.translate(None, _TOKEN68):
            return None
        headers[head.token_index] = (b"authorization", b"Bearer " + token)
        return CacheHit(head, headers, token.decode("ascii"))

    def add_if_repeated(self, data: bytes, request: Request) -> None:
        """Cache the head of `request` if it was received before.

        `data` is the whole request, which has no body and leaves the connection open.
        """
        if len(data) > MAX_HEAD_BYTES or request.method not in _METHODS:
            return
        key, token = _without_token(data)
        key_hash = hash(key)
        if key_hash not in self._seen_once:
            self._seen_once[key_hash] = None
            return
        indexes = [index for index, (name, _) in enumerate(request.headers) if name == b"authorization"]
        if [request.headers[index][1] for index in indexes] != ([b"Bearer " + token] if token else []):
            return  # the key still contains credentials: other Authorization fields than the one removed
        self._heads[key] = CachedHead(
            request.method,
            request.path,
            request.query,
            tuple((name, b"" if name == b"authorization" else value) for name, value in request.headers),
            request.http_version,
            indexes[0] if indexes else None,
            next((value.decode("latin-1") for name, value in request.headers if name == b"origin"), None),
        )


def _without_token(data: bytes) -> tuple[bytes, bytes]:
    """Return `data` without the token in its first line `Authorization: Bearer ...`, and that token.

    The token is empty if there is no such line.
    """
    name = data.find(_BEARER)
    start = name + len(_BEARER)
    end = data.find(b"\r", start)
    if name < 0 or end < 0 or data[name - 3 : name] not in _LINE_STARTS:
        return data, b""
    return data[:start] + data[end:], data[start:end]
