"""Remembers the heads of answers that came before, with what they said.

A service's answers differ in their Date, which moves once a second, and in their length: so most heads have come
before, byte for byte, and what they say need not be parsed again. Measured on 200 bytes of JSON: see
docs/decisions/0012.
"""

from gateway.http.response_head import BODILESS, ResponseHead

SIZE = 512
"""Heads that are remembered; then all are forgotten, since after a second they would not come again anyway."""

LONGEST = 2048
"""Bytes of a head that is remembered."""


class ResponseHeadCache:
    """Of one upstream address. Holds nothing but what a parser said of the same bytes."""

    def __init__(self) -> None:
        self._by_head: dict[bytes, ResponseHead] = {}
        self._latest: ResponseHead | None = None

    def __len__(self) -> int:
        return len(self._by_head)

    def find(self, data: bytes) -> tuple[ResponseHead, bytes] | None:
        """The head and the body, where `data` is a known head and a body that is as long as it says."""
        latest = self._latest
        if latest is not None and data.startswith(latest.head):  # as most do, and no look-up is that quick
            known, end = latest, len(latest.head)
        else:
            end = data.find(b"\r\n\r\n") + 4
            found = self._by_head.get(data[:end])
            if found is None:
                return None
            known = self._latest = found
        return (known, data[end:]) if len(data) - end == known.length else None

    def learn(self, data: bytes, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Remembers the head of `data`, a whole answer of `status` of which `headers` cross."""
        end = data.find(b"\r\n\r\n") + 4
        length = next((int(value) for name, value in headers if name == b"content-length"), None)
        if length is None or length != len(data) - end or end > LONGEST or status in BODILESS:
            return
        lines = b"".join(part for name, value in headers for part in (name, b": ", value, b"\r\n"))
        if lines.count(b"\n") != len(headers) or lines.count(b"\r") != len(headers):
            return  # a line end within a field: refused where the answer is written
        if len(self._by_head) >= SIZE:
            self._by_head.clear()
        head = data[:end]
        self._by_head[head] = ResponseHead(status, tuple(headers), length, lines, head)
