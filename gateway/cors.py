"""Cross-origin resource sharing: the gateway alone decides which origins may read an answer, for every service.

A preflight never reaches a service, and is answered alike whatever its path. What a service says of CORS itself is
dropped with its other fields (gateway/headers.py). There is no `*`, since credentials may travel (Fetch, 3.2.5).
"""

from collections.abc import Collection, MutableMapping

import structlog

from contract.problems import Refused
from gateway.arrival import Arrival
from gateway.exchange import Message, Send
from gateway.origin import AllowedOrigins, own_origin, read_origin, shown
from gateway.routing.routes import METHODS

EXPOSED = (
    b"X-Access-Token, X-Refresh-Token, X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate,"
    b" Location"
)
"""Fields of the gateway's own that a page of an allowed origin may read in every answer."""

_REMEMBERED = 1_000
"""Origin fields that were read before, and whether they are allowed; then all are forgotten."""

_log = structlog.get_logger("cors")


class Cors:
    """Decides by `allowed`; `max_age`, in seconds, is how long a browser may remember a preflight's answer."""

    def __init__(self, allowed: AllowedOrigins, max_age: int) -> None:
        self._allowed = allowed
        self._max_age = str(max_age).encode("ascii")
        self._known: dict[str, bytes | None] = {}

    def origin(self, arrival: Arrival) -> bytes | None:
        """The Origin that `arrival` comes from, where it is allowed."""
        known = arrival.known
        origin = known.origin if known is not None else arrival.header(b"origin")
        if origin is None:
            return None
        return self._known[origin] if origin in self._known else self._read(origin, arrival)

    def _read(self, origin: str, arrival: Arrival) -> bytes | None:
        parsed = read_origin(origin)
        allowed = origin.encode("ascii") if parsed is not None and parsed in self._allowed else None
        if allowed is None and (parsed is None or parsed != own_origin(arrival.scheme, arrival.header(b"host"))):
            # Once an origin and worker: a page that cannot read its answers asks again and again.
            _log.info("origin_not_allowed", origin=shown(origin), request_id=arrival.request_id, reason=_REASON)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[origin] = allowed
        return allowed

    def is_preflight(self, arrival: Arrival) -> bool:
        """Whether a browser asks on behalf of a page. Fetch, 3.2.2."""
        return (
            arrival.method == "OPTIONS"
            and arrival.header(b"access-control-request-method") is not None
            and arrival.header(b"origin") is not None
        )

    async def answer_preflight(self, arrival: Arrival, methods: Collection[str], send: Send) -> int:
        """Says what the page that asks may send; gives the status. Raises Refused(403) where it is not allowed.

        `methods` are those of the routes at the path, or empty where the gateway has none there.
        """
        if self.origin(arrival) is None:
            refused = shown(arrival.header(b"origin") or "")
            raise Refused("cross_site", f"The Origin {refused} is not one of ALLOWED_ORIGINS.")
        headers = [
            (b"access-control-allow-methods", ", ".join(sorted(methods or METHODS)).encode("ascii")),
            (b"access-control-max-age", self._max_age),
            (b"vary", b"Access-Control-Request-Method, Access-Control-Request-Headers"),
            (b"x-request-id", arrival.request_id.encode("ascii")),
        ]
        # Reflected, because asking is not having: what reaches a service is decided field by field elsewhere.
        if asked := arrival.header(b"access-control-request-headers"):
            headers.append((b"access-control-allow-headers", asked.encode("latin-1")))
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return 204

    def exposing(self, send: Send, origin: bytes, more: bytes) -> Send:
        """`send`, which lets pages of `origin` read the answer, and `more` fields of the service in it."""
        exposed = EXPOSED + b", " + more if more else EXPOSED

        async def expose(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _exposed(message, origin, exposed)}
            await send(message)

        return expose


_REASON = "not one of ALLOWED_ORIGINS: its pages cannot read answers"


def _exposed(message: MutableMapping[str, object], origin: bytes, exposed: bytes) -> list[tuple[bytes, bytes]]:
    headers = message.get("headers")
    return [
        *(headers if isinstance(headers, list) else []),
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", exposed),
    ]
