"""Cache of parsed request heads. The key is the bytes of a head without its credentials.

Requests of one client for one resource differ only in the access token or the cookies. So do requests of many
clients with the same software. A head whose bytes are cached is not parsed again. The token and the cookies are
removed before the look-up and are checked for each request. Figures: docs/decisions/0012.
"""

from typing import NamedTuple

from gateway.bounded_cache import BoundedCache
from gateway.http.request import CachedHead, Request

MAX_ENTRIES = 4_096
"""Maximum number of cached heads, and of remembered hashes of heads that were received once."""

MAX_HEAD_BYTES = 4_096
"""A larger head is not cached."""

_METHODS = frozenset({"GET", "HEAD"})

# Without the first letter, which clients write in either case.
_BEARER, _BEARER_STARTS = b"uthorization: Bearer ", (b"\r\nA", b"\r\na")
_COOKIE, _COOKIE_STARTS = b"ookie: ", (b"\r\nC", b"\r\nc")
_TOKEN68 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
"""Characters of a token (RFC 6750 2.1). A head whose token has padding (`=`) is always parsed."""
_CREDENTIAL_FIELDS = frozenset({b"authorization", b"cookie", b"x-refresh-token"})
_PRINTABLE = bytes(range(0x20, 0x7F))
"""Characters of a Cookie value. A head whose Cookie has other characters or outer spaces is always parsed."""


class CacheHit(NamedTuple):
    """A cached head with the token of one request; `headers` includes that request's token and cookies."""

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
        key, token = _cut(data, _BEARER, _BEARER_STARTS)
        head, cookies = self._heads.get(key), b""
        if head is None and _COOKIE in key:  # most requests have no cookies and are found before this search
            key, cookies = _cut(key, _COOKIE, _COOKIE_STARTS)
            head = self._heads.get(key)
        if head is None:
            return None
        headers = list(head.headers)
        if head.cookie_index is not None:
            if not cookies or cookies.translate(None, _PRINTABLE) or cookies != cookies.strip(b" "):
                return None
            headers[head.cookie_index] = (b"cookie", cookies)
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
        key, token = _cut(data, _BEARER, _BEARER_STARTS)
        key, cookies = _cut(key, _COOKIE, _COOKIE_STARTS) if _COOKIE in key else (key, b"")
        key_hash = hash(key)
        if key_hash not in self._seen_once:
            self._seen_once[key_hash] = None
            return
        credentials = {b"authorization": b"Bearer " + token if token else b"", b"cookie": cookies}
        indexes = {name: index for index, (name, _) in enumerate(request.headers) if name in _CREDENTIAL_FIELDS}
        received = [(name, value) for name, value in request.headers if name in _CREDENTIAL_FIELDS]
        if received != [(name, credentials.get(name)) for name in indexes]:
            return  # the key still contains credentials: a repeated field, an unusual form, or X-Refresh-Token
        self._heads[key] = CachedHead(
            request.method,
            request.path,
            request.query,
            tuple((name, b"" if name in _CREDENTIAL_FIELDS else value) for name, value in request.headers),
            request.http_version,
            indexes.get(b"authorization"),
            indexes.get(b"cookie"),
            next((value.decode("latin-1") for name, value in request.headers if name == b"origin"), None),
        )


def _cut(data: bytes, name: bytes, line_starts: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """Return `data` without the value after `name` at the start of a line, and that value; empty if there is none.

    `name` has no first letter; `line_starts` are the line ends with that letter in either case.
    """
    at = data.find(name)
    if at < 0 or data[at - 3 : at] not in line_starts:
        return data, b""
    start = at + len(name)
    end = data.find(b"\r", start)
    if end < 0:
        return data, b""
    return data[:start] + data[end:], data[start:end]
