"""Cross-origin resource sharing: the gateway alone decides which origins may read an answer, for every service.

A preflight never reaches a service, and is answered alike whatever its path. What a service says of CORS itself is
dropped with its other fields (gateway/answer_headers.py). There is no `*`, since credentials may travel (Fetch,
3.2.5).
"""

from collections.abc import Collection
from functools import lru_cache

import structlog

from contract.problems import Refused
from gateway.arrival import Arrival
from gateway.exchange import Send
from gateway.headers import read_request_fields
from gateway.origin import AllowedOrigins, own_origin, read_origin, shown, why_refused
from gateway.request_limits import DEFAULT_LIMITS, RequestLimits
from gateway.routing.routes import METHODS

EXPOSED = (
    b"X-Access-Token, X-Refresh-Token, X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate,"
    b" Location"
)
"""Fields of the gateway's own that a page of an allowed origin may read in every answer."""

_REMEMBERED = 1_000
"""Origin fields that were read before, and whether they are allowed; then all are forgotten."""

_LONGEST = 300
"""Characters of an Origin field that are remembered. A longer field is no origin, whatever follows them."""

_log = structlog.get_logger("cors")


class Cors:
    """Decides by `allowed`; `max_age`, in seconds, is how long a browser may remember a preflight's answer."""

    def __init__(self, allowed: AllowedOrigins, max_age: int, request_limits: RequestLimits = DEFAULT_LIMITS) -> None:
        self._allowed = allowed
        self._max_age = str(max_age).encode("ascii")
        self._request_limits = request_limits
        self._known: dict[str, bytes | None] = {}

    def origin(self, arrival: Arrival) -> bytes | None:
        """The Origin that `arrival` comes from, where it is allowed."""
        known = arrival.known
        origin = known.origin if known is not None else _origin_field(arrival)
        if origin is None:
            return None
        return self._known[origin] if origin in self._known else self._read(origin, arrival)

    def _read(self, origin: str, arrival: Arrival) -> bytes | None:
        remembered_by = origin[:_LONGEST]
        if remembered_by in self._known:
            return self._known[remembered_by]
        parsed = read_origin(origin)
        own = own_origin(arrival.scheme, arrival.header(b"host"))
        allowed = origin.encode("ascii") if parsed in self._allowed else None
        if allowed is None and (parsed is None or parsed != own):
            # Once an origin and worker: a page that cannot read its answers asks again and again.
            reason = why_refused(origin, own)
            _log.info("origin_not_allowed", origin=shown(origin), request_id=arrival.request_id, reason=reason)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[remembered_by] = allowed
        return allowed

    def is_preflight(self, arrival: Arrival) -> bool:
        """Whether a browser asks on behalf of a page. Fetch, 3.2.2."""
        return (
            arrival.method == "OPTIONS"
            and arrival.header(b"access-control-request-method") is not None
            and arrival.header(b"origin") is not None
        )

    async def answer_preflight(self, arrival: Arrival, methods: Collection[str], send: Send) -> int:
        """Says what the page that asks may send; gives the status.

        Raises Refused: 403 where its origin is not allowed, 400 or 431 as for every request.
        `methods` are those of the routes at the path, or empty where the gateway has none there.
        """
        read_request_fields(arrival.headers, arrival.http_version, self._request_limits)
        origin, own = arrival.header(b"origin") or "", own_origin(arrival.scheme, arrival.header(b"host"))
        parsed = read_origin(origin)
        if parsed is None or (parsed != own and parsed not in self._allowed):
            raise Refused("cross_site", why_refused(origin, own))
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


def _origin_field(arrival: Arrival) -> str | None:
    for name, value in arrival.headers:  # four times as fast as Arrival.header, and every new request comes here
        if name == b"origin":
            return value.decode("latin-1")
    return None


@lru_cache(_REMEMBERED)
def readable_by(origin: bytes, more: bytes) -> bytes:
    """The lines that let pages of `origin` read an answer, and `more` fields of the service in it."""
    exposed = EXPOSED + b", " + more if more else EXPOSED
    fields = (
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", exposed),
    )
    return b"".join(b"%b: %b\r\n" % field for field in fields)
