"""CORS: the gateway decides for all services which origins may read a response.

The gateway answers every preflight; no service gets one. CORS fields of a service are dropped
(gateway/http/response_headers.py). `*` is never sent, since requests may carry credentials (Fetch, 3.2.5).
"""

from collections.abc import Collection
from functools import lru_cache

import structlog

from contract.problems import Refused
from gateway.bounded_cache import BoundedCache
from gateway.http.header_fields import HeaderList
from gateway.http.origin import AllowedOrigins, origin_refusal, own_origin, parse_origin, printable
from gateway.http.request import Request
from gateway.http.request_headers import read_request_fields
from gateway.http.request_limits import DEFAULT_LIMITS, RequestLimits
from gateway.routing.routes import METHODS

EXPOSED = (
    b"X-Access-Token, X-Refresh-Token, X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate,"
    b" Location"
)
"""Fields that pages of an allowed origin may read in every response."""

MAX_CACHED_ORIGINS = 1_000

_MAX_KEY_LENGTH = 300
"""Origin values are cut to this many characters in the cache. All valid origins are shorter."""

_log = structlog.get_logger("cors")


class Cors:
    """Allows the origins in `allowed`. A browser may cache the response to a preflight for `max_age` seconds."""

    def __init__(self, allowed: AllowedOrigins, max_age: int, request_limits: RequestLimits = DEFAULT_LIMITS) -> None:
        self._allowed = allowed
        self._max_age = str(max_age).encode("ascii")
        self._request_limits = request_limits
        self._results: BoundedCache[str, bytes | None] = BoundedCache(MAX_CACHED_ORIGINS)

    def allowed_origin(self, request: Request) -> bytes | None:
        """Return the Origin of `request` if it is allowed; None if it is not, or if there is none."""
        known = request.known_fields
        origin = known.section.origin if known is not None else _origin_field(request)
        if origin is None:
            return None
        return self._results[origin] if origin in self._results else self._check(origin, request)

    def _check(self, origin: str, request: Request) -> bytes | None:
        key = origin[:_MAX_KEY_LENGTH]
        if key in self._results:
            return self._results[key]
        parsed = parse_origin(origin)
        own = own_origin(request.scheme, request.header(b"host"))
        result = origin.encode("ascii") if parsed in self._allowed else None
        if result is None and (parsed is None or parsed != own):
            # Once per origin, because the result is cached: a page that cannot read its responses may retry forever.
            reason = origin_refusal(origin, own)
            _log.info("origin_not_allowed", origin=printable(origin), request_id=request.request_id, reason=reason)
        self._results[key] = result
        return result

    def is_preflight(self, request: Request) -> bool:
        """Return whether `request` is a CORS preflight (Fetch, 3.2.2)."""
        return (
            request.method == "OPTIONS"
            and request.header(b"access-control-request-method") is not None
            and request.header(b"origin") is not None
        )

    def preflight_headers(self, request: Request, methods: Collection[str]) -> HeaderList:
        """Return the header fields of the response to a preflight; its status is 204.

        `methods` are those of the path's routes; empty stands for all methods, for a path without a route. The caller
        adds the fields of `cors_lines`. Raises Refused: 403 if the origin is not
        accepted, 400 or 431 if a header field is invalid or the header section too large.
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
        # Every field may be sent; gateway/http/request_headers.py decides which ones are forwarded.
        if requested := request.header(b"access-control-request-headers"):
            headers.append((b"access-control-allow-headers", requested.encode("latin-1")))
        return headers


def _origin_field(request: Request) -> str | None:
    for name, value in request.headers:  # four times as fast as Request.header
        if name == b"origin":
            return value.decode("latin-1")
    return None


@lru_cache(MAX_CACHED_ORIGINS)
def cors_lines(origin: bytes, expose_headers: bytes) -> bytes:
    """Return the header lines that let pages of `origin` read a response, with the fields in `expose_headers` too."""
    exposed = EXPOSED + b", " + expose_headers if expose_headers else EXPOSED
    fields = (
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", exposed),
    )
    return b"".join(b"%b: %b\r\n" % field for field in fields)
