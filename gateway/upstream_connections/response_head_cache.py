"""A cache of parsed response heads by their bytes, so that a repeated head is not parsed again.

The heads of a service differ in Date, which changes once a second, and in Content-Length. Most heads are therefore
repeated. Measured figures: docs/decisions/0012.
"""

from gateway.bounded_cache import BoundedCache
from gateway.http.response_head import BODILESS, ResponseHead

MAX_ENTRIES = 512
"""Heads in the cache of one upstream address."""

MAX_HEAD_BYTES = 2048
"""Longer heads are not cached."""


class ResponseHeadCache:
    """The parsed heads of one upstream address, by their bytes."""

    def __init__(self) -> None:
        self._by_head: BoundedCache[bytes, ResponseHead] = BoundedCache(MAX_ENTRIES)
        self._latest: ResponseHead | None = None

    def __len__(self) -> int:
        return len(self._by_head)

    def find(self, data: bytes) -> tuple[ResponseHead, bytes] | None:
        """Return the cached head and the body if `data` consists of a cached head and the whole body; else None."""
        latest = self._latest
        if latest is not None and data.startswith(latest.head):  # the most frequent case, faster than a look-up
            found, end = latest, len(latest.head)
        else:
            end = data.find(b"\r\n\r\n") + 4
            cached = self._by_head.get(data[:end])
            if cached is None:
                return None
            found = self._latest = cached
        return (found, data[end:]) if len(data) - end == found.length else None

    def learn(self, data: bytes, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Cache the head of the whole response `data`; `headers` are the fields that the client receives.

        A head without Content-Length, or over MAX_HEAD_BYTES, is not cached.
        """
        end = data.find(b"\r\n\r\n") + 4
        length = next((int(value) for name, value in headers if name == b"content-length"), None)
        if length is None or length != len(data) - end or end > MAX_HEAD_BYTES or status in BODILESS:
            return
        lines = b"".join(part for name, value in headers for part in (name, b": ", value, b"\r\n"))
        if lines.count(b"\n") != len(headers) or lines.count(b"\r") != len(headers):
            return  # a field contains CR or LF; the code that writes the response rejects it
        head = data[:end]
        self._by_head[head] = ResponseHead(status, tuple(headers), length, lines, head)
