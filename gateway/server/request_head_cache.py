"""Remembers requests that came before, with what they said.

A client's requests for one thing differ in nothing but the access token, and those of many clients with the same
software hardly more. So what a request says is remembered under its bytes without the token, and need not be parsed
and examined again; whose the token is, and whether it is still good, is asked every time. Measured: see
docs/decisions/0012.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from gateway.pipeline.matched_request import MatchedRequest

SIZE = 4_096
"""Requests that are remembered, and those that were seen once; then all are forgotten."""

LONGEST = 4_096
"""Bytes of a request that is remembered."""

_METHODS = frozenset({"GET", "HEAD"})

_BEARER = b"uthorization: Bearer "
_BEGINS_LINE = (b"\r\nA", b"\r\na")
_TOKEN68 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
"""What a token is made of (RFC 6750 2.1); one with padding is left to the reader of credentials."""


@dataclass(slots=True)
class CachedRequest:
    """What a request without a body says, whoever sends it, and what the pipeline made of that.

    `token_at` is the place in `headers` where the token belongs, which is not in them; None where there is none.
    """

    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    http_version: str
    token_at: int | None = None
    matched: MatchedRequest | None = None
    origin: str | None = None
    """Its Origin field."""
    logged: str = ""
    """What the access log says of it, once it has said something."""


class Recalled(NamedTuple):
    """A request that is known, with the sender's own token in it; `headers` are whole."""

    known: CachedRequest
    headers: list[tuple[bytes, bytes]]
    token: str


class RequestHeadCache:
    """Of one worker. Holds nothing but what a parser said of the same bytes, and no token.

    A request is remembered when it comes for the second time, so that those which come once cost a hash.
    """

    def __init__(self) -> None:
        self._by_shape: dict[bytes, CachedRequest] = {}
        self._seen_once: set[int] = set()

    def __len__(self) -> int:
        return len(self._by_shape)

    def find(self, data: bytes) -> Recalled | None:
        """What `data` says, where that came before."""
        if len(data) > LONGEST:
            return None
        shape, token = _without_token(data)
        known = self._by_shape.get(shape)
        if known is None:
            return None
        if known.token_at is None:
            return Recalled(known, known.headers, "")
        if not token or token.translate(None, _TOKEN68):
            return None
        headers = known.headers.copy()
        headers[known.token_at] = (b"authorization", b"Bearer " + token)
        return Recalled(known, headers, token.decode("ascii"))

    def learn(self, data: bytes, request: CachedRequest) -> None:
        """Is told that `data` was the whole of `request`, token and all, after which the connection stays open."""
        if len(data) > LONGEST or request.method not in _METHODS:
            return
        shape, token = _without_token(data)
        seen = hash(shape)
        if seen not in self._seen_once:
            if len(self._seen_once) >= SIZE:
                self._seen_once.clear()
            self._seen_once.add(seen)
            return
        places = [place for place, (name, _) in enumerate(request.headers) if name == b"authorization"]
        if [request.headers[place][1] for place in places] != ([b"Bearer " + token] if token else []):
            return  # whose it is stands somewhere else
        if len(self._by_shape) >= SIZE:
            self._by_shape.clear()
        token_at = places[0] if places else None
        tokenless = [(name, b"" if name == b"authorization" else value) for name, value in request.headers]
        origin = next((value.decode("latin-1") for name, value in request.headers if name == b"origin"), None)
        self._by_shape[shape] = replace(request, headers=tokenless, token_at=token_at, origin=origin)


def _without_token(data: bytes) -> tuple[bytes, bytes]:
    """A request without the token in its first line of the form `Authorization: Bearer ...`, and that token.

    The token is empty where there is no such line.
    """
    name = data.find(_BEARER)
    start = name + len(_BEARER)
    end = data.find(b"\r", start)
    if name < 0 or end < 0 or data[name - 3 : name] not in _BEGINS_LINE:
        return data, b""
    return data[:start] + data[end:], data[start:end]
