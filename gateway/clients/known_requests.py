"""Remembers requests that came before, with what they said.

A client that asks for the same thing again sends the same bytes: the same target, the same headers, the same token.
What they say need not be parsed and examined again; whether the token is still good is asked every time. Measured:
see docs/decisions/0012.
"""

from dataclasses import dataclass

from gateway.examined import Examined

SIZE = 4_096
"""Requests that are remembered, and those that were seen once; then all are forgotten."""

LONGEST = 4_096
"""Bytes of a request that is remembered."""

_METHODS = frozenset({"GET", "HEAD"})


@dataclass(slots=True)
class KnownRequest:
    """What a request without a body says, whoever sends it, and what the pipeline made of that."""

    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    http_version: str
    examined: Examined | None = None


class KnownRequests:
    """Of one worker. Holds nothing but what a parser said of the same bytes.

    A request is remembered when it comes for the second time, so that those which come once cost a hash.
    """

    def __init__(self) -> None:
        self._by_bytes: dict[bytes, KnownRequest] = {}
        self._seen_once: set[int] = set()

    def __len__(self) -> int:
        return len(self._by_bytes)

    def find(self, data: bytes) -> KnownRequest | None:
        """The request that `data` is, where it came before."""
        return self._by_bytes.get(data)

    def learn(self, data: bytes, request: KnownRequest) -> None:
        """Is told that `data` was the whole of `request`, after which the connection stays open."""
        if len(data) > LONGEST or request.method not in _METHODS:
            return
        seen = hash(data)
        if seen not in self._seen_once:
            if len(self._seen_once) >= SIZE:
                self._seen_once.clear()
            self._seen_once.add(seen)
            return
        if len(self._by_bytes) >= SIZE:
            self._by_bytes.clear()
        self._by_bytes[data] = request
