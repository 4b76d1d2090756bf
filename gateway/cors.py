"""Owns cross-origin resource sharing: an exact list of origins, preflights answered here, and nobody else's say.

Capacitor's apps come from `capacitor://localhost`, `ionic://localhost`, `http://localhost` or `https://localhost`:
they are listed like any other origin. There is no `*`, since credentials may travel (Fetch, 3.2.5).
"""

from collections.abc import Collection, MutableMapping

from contract.problems import Refused
from gateway.arrival import Arrival
from gateway.exchange import Message, Send

ALLOWED_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
EXPOSED = (
    b"X-Access-Token, X-Refresh-Token, X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate,"
    b" Location"
)
PREFLIGHT_MAX_AGE = b"600"
"""Seconds."""


class Cors:
    """Decides by `origins`, each `scheme://host[:port]`; empty means that no foreign page may read an answer."""

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)

    def origin(self, arrival: Arrival) -> bytes | None:
        """The Origin that `arrival` comes from, where it is on the list."""
        if not self._origins:
            return None
        origin = arrival.header(b"origin")
        return origin.encode("ascii") if origin in self._origins else None

    def is_preflight(self, arrival: Arrival) -> bool:
        """Whether a browser asks on behalf of a page. Fetch, 3.2.2."""
        return (
            arrival.method == "OPTIONS"
            and bool(self._origins)
            and arrival.header(b"access-control-request-method") is not None
            and arrival.header(b"origin") is not None
        )

    async def answer_preflight(self, arrival: Arrival, origin: bytes | None, send: Send) -> int:
        """Says what a page of `origin` may send; gives the status. Raises Refused(403) for a foreign one."""
        if origin is None:
            raise Refused("cross_site", "This Origin is not on the list.")
        headers = [
            (b"access-control-allow-methods", ALLOWED_METHODS),
            (b"access-control-max-age", PREFLIGHT_MAX_AGE),
            (b"vary", b"Access-Control-Request-Method, Access-Control-Request-Headers"),
        ]
        # Reflected, because asking is not having: what reaches a service is decided field by field elsewhere.
        if asked := arrival.header(b"access-control-request-headers"):
            headers.append((b"access-control-allow-headers", asked.encode("latin-1")))
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return 204

    def exposing(self, send: Send, origin: bytes) -> Send:
        """`send`, which lets pages of `origin` read the answer. An upstream's own say on CORS is dropped."""

        async def expose(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _exposed(message, origin)}
            await send(message)

        return expose


def _exposed(message: MutableMapping[str, object], origin: bytes) -> list[tuple[bytes, bytes]]:
    headers = message.get("headers")
    given = headers if isinstance(headers, list) else []
    kept = [(name, value) for name, value in given if name not in _OURS]
    return [
        *kept,
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", EXPOSED),
        (b"vary", b"Origin"),
    ]


_OURS = frozenset(
    (b"access-control-allow-origin", b"access-control-allow-credentials", b"access-control-expose-headers")
)
