"""Cross-origin resource sharing: the gateway alone decides which origins may read an answer, for every service.

A preflight never reaches a service, and is answered alike whatever its path. What a service says of CORS itself is
dropped with its other fields (gateway/http/response_headers.py). There is no `*`: credentials may travel (Fetch,
3.2.5).
"""

from collections.abc import Collection
from functools import lru_cache

import structlog

from contract.problems import Refused
from gateway.http.origin import AllowedOrigins, origin_refusal, own_origin, parse_origin, printable
from gateway.http.request import Request
from gateway.http.request_headers import read_request_fields
from gateway.http.request_limits import DEFAULT_LIMITS, RequestLimits
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

    def origin(self, request: Request) -> bytes | None:
        """The Origin that `arrival` comes from, where it is allowed."""
        head = request.cached_head
        origin = head.origin if head is not None else _origin_field(request)
        if origin is None:
            return None
        return self._known[origin] if origin in self._known else self._read(origin, request)

    def _read(self, origin: str, request: Request) -> bytes | None:
        remembered_by = origin[:_LONGEST]
        if remembered_by in self._known:
            return self._known[remembered_by]
        parsed = parse_origin(origin)
        own = own_origin(request.scheme, request.header(b"host"))
        allowed = origin.encode("ascii") if parsed in self._allowed else None
        if allowed is None and (parsed is None or parsed != own):
            # Once an origin and worker: a page that cannot read its answers asks again and again.
            reason = origin_refusal(origin, own)
            _log.info("origin_not_allowed", origin=printable(origin), request_id=request.request_id, reason=reason)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[remembered_by] = allowed
        return allowed

    def is_preflight(self, request: Request) -> bool:
        """Whether a browser asks on behalf of a page. Fetch, 3.2.2."""
        return (
            request.method == "OPTIONS"
            and request.header(b"access-control-request-method") is not None
            and request.header(b"origin") is not None
        )

    def preflight_headers(self, request: Request, methods: Collection[str]) -> list[tuple[bytes, bytes]]:
        """Return the header fields of the response to a preflight; its status is 204.

        Raises Refused: 403 where its origin is not allowed, 400 or 431 as for every request.
        `methods` are those of the routes at the path, or empty where the gateway has none there.
        """
        read_request_fields(request.headers, request.http_version, self._request_limits)
        origin, own = request.header(b"origin") or "", own_origin(request.scheme, request.header(b"host"))
        parsed = parse_origin(origin)
        if parsed is None or (parsed != own and parsed not in self._allowed):
            raise Refused("cross_site", origin_refusal(origin, own))
        headers = [
            (b"access-control-allow-methods", ", ".join(sorted(methods or METHODS)).encode("ascii")),
            (b"access-control-max-age", self._max_age),
            (b"vary", b"Access-Control-Request-Method, Access-Control-Request-Headers"),
        ]
        # Reflected, because asking is not having: what reaches a service is decided field by field elsewhere.
        if asked := request.header(b"access-control-request-headers"):
            headers.append((b"access-control-allow-headers", asked.encode("latin-1")))
        return headers


def _origin_field(request: Request) -> str | None:
    for name, value in request.headers:  # four times as fast as Arrival.header, and every new request comes here
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
