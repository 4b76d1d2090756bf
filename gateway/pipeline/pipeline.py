"""The pipeline: match, limit by address, authenticate, limit by identity, authorize, assert the identity.

Each stage takes a value and returns one, or raises Refused. `admit` is suspendable (gateway/suspendable.py): if a
request does not have to wait, it is admitted without a task.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from chassis.clock import Clock
from contract.problems import Refused
from gateway.bounded_cache import BoundedCache
from gateway.http.header_fields import HeaderTuple
from gateway.http.request import HeaderSection, KnownFields, Request
from gateway.http.request_headers import RequestFields, forward_opt_in, read_request_fields
from gateway.http.request_limits import DEFAULT_LIMITS, RequestLimits
from gateway.http.via import Via
from gateway.http.websocket_handshake import is_websocket_upgrade
from gateway.pipeline.authenticate import AuthenticateStage
from gateway.pipeline.authenticators.authenticator import Authenticator
from gateway.pipeline.authenticators.ticket import split_tickets
from gateway.pipeline.authorize import authorize
from gateway.pipeline.credentials import Credentials, known_credentials, read_credentials
from gateway.pipeline.forwarded_credentials import CredentialForwarding
from gateway.pipeline.identity_headers import IdentityHeaders
from gateway.pipeline.request_head import HeadTemplate, framing_line, head_template, request_line
from gateway.pipeline.request_target import check_target
from gateway.rate_limits.limiter import RateLimiter
from gateway.routing.routes import METHODS, Route, RouteTable
from gateway.suspendable import Suspendable
from gateway.tokens.principal import Principal
from gateway.tokens.refresh import FreshTokens

MAX_KNOWN = 4_096
"""Maximum number of cached matches; the header section cache has the same size."""


@dataclass(frozen=True, slots=True)
class KnownMatch:
    """What is known of all requests on one route that have the same header section.

    It has no credentials, and no field for credentials.
    """

    template: HeadTemplate
    authenticator: Authenticator | None
    """The authenticator for the kind of credentials in the requests; None on a public route."""


class MatchedRequest(NamedTuple):
    """A request's route and the parts of its upstream head, before its client is authenticated."""

    route: Route
    authenticator: Authenticator | None
    """None on a public route."""
    credentials: Credentials
    template: HeadTemplate
    request_line: bytes
    framing_line: bytes
    has_body: bool
    chunked: bool = False
    is_websocket: bool = False
    """Whether it is the handshake of a WebSocket on a route that accepts WebSockets."""


class AdmittedRequest(NamedTuple):
    """A request that may be forwarded.

    A named tuple, because a frozen dataclass of this size costs 1 us more per request.
    """

    route: Route
    matched: MatchedRequest
    forwarding_lines: bytes
    """X-Request-Id, X-Forwarded-* and Forwarded."""
    identity_lines: bytes
    """The identity headers or, for the auth service, credentials; empty if the upstream gets neither."""
    principal: Principal | None = None
    """The authenticated client. None on a public route, unless the gateway chose its token for the auth service."""
    response_headers: HeaderTuple = ()
    """Fields for the response: the rate limits, and the Set-Cookie that clears the cookie of an ended session."""

    def head(self, host_line: bytes) -> bytes:
        """Return the head to send to the upstream; `host_line` is the Host line of its address."""
        matched = self.matched
        return matched.template.fill(
            matched.request_line, host_line, self.forwarding_lines, self.identity_lines, matched.framing_line
        )

    @property
    def fresh(self) -> FreshTokens | None:
        """Return the tokens that the gateway refreshed for this request. Every response must contain them."""
        return self.principal.fresh if self.principal is not None else None


class Pipeline:
    """Admits or refuses requests. `count_withheld` is called with the number of fields that are not forwarded."""

    def __init__(
        self,
        routes: RouteTable,
        authentication: AuthenticateStage,
        credential_forwarding: CredentialForwarding,
        cookie_name: str,
        identity_headers: IdentityHeaders,
        rate_limiter: RateLimiter,
        via: Via,
        clock: Clock,
        count_withheld: Callable[[int], None],
        request_limits: RequestLimits = DEFAULT_LIMITS,
    ) -> None:
        self._routes_at: Callable[[bytes], Mapping[str, Route] | None] = routes.routes_by_method
        self._authentication = authentication
        self._credential_forwarding = credential_forwarding
        self._cookie_name = cookie_name.encode("ascii")
        self._identity_headers = identity_headers
        self._rate_limiter = rate_limiter
        self._via = via
        self._clock = clock
        self._count_withheld = count_withheld
        self._request_limits = request_limits
        self._known: BoundedCache[tuple[HeaderSection, Route], KnownMatch] = BoundedCache(MAX_KNOWN)

    def admit(self, request: Request, *, is_forwarded: bool = True) -> Suspendable[AdmittedRequest]:
        """Admit `request`, and return what is forwarded of it. Raises Refused.

        `is_forwarded` is False for forward-auth: the proxy forwards the request, so the gateway redeems no ticket and
        chooses no credentials for the auth service.
        """
        known = request.known_fields
        matched = self._match_known(request, known) if known is not None else None
        if matched is None:
            matched = self._match(request, with_tickets=is_forwarded)
        route, authenticator, credentials = matched.route, matched.authenticator, matched.credentials
        if route.limits:  # before a token is verified, so that a flood of invalid tokens is stopped here
            yield from self._rate_limiter.admit_address(route.limits, request.client)
        identity_lines = b""
        principal: Principal | None = None
        response_headers: HeaderTuple = ()
        if authenticator is not None:
            principal = yield from authenticator.authenticate(request, credentials)
            response_headers = principal.response_headers
        elif route.upstream.takes_credentials and is_forwarded:
            forwarded = yield from self._credential_forwarding.choose(request, credentials, route)
            identity_lines, principal, response_headers = forwarded
        try:
            if route.limits:
                response_headers = (yield from self._limit_identity(request, route, principal)) + response_headers
            if authenticator is not None and principal is not None:
                if route.roles:  # most routes have none, and need no call
                    authorize(principal.claims, route)
                identity_lines = self._identity_headers.lines(principal.claims, route.upstream, self._clock())
        except Refused as refused:
            if principal is not None and principal.fresh is not None:
                principal.fresh.add_to(refused)
            raise
        forwarding = matched.template.forwarding_lines(request.client, request.scheme, request.request_id)
        return AdmittedRequest(route, matched, forwarding, identity_lines, principal, response_headers)

    def _limit_identity(
        self, request: Request, route: Route, principal: Principal | None
    ) -> Suspendable[HeaderTuple]:
        """Count the request under the identity limits, and return the RateLimit fields. Raises Refused(429)."""
        subject = principal.claims.subject if principal is not None else ""
        return self._rate_limiter.admit_identity(route.limits, request.client, subject)

    def confirm(self, admitted: AdmittedRequest) -> None:
        """Check that the token of an admitted request is still valid and not revoked. Raises Refused: 401, 503."""
        if admitted.principal is not None and not admitted.route.public:
            self._authentication.confirm(admitted.principal)

    def own_allow_value(self, request: Request) -> str | None:
        """Return the value of Allow for an OPTIONS that the gateway answers itself; None if it is to be forwarded.

        The gateway answers `OPTIONS *` (RFC 9110 9.3.7) and an OPTIONS with Max-Forwards 0 (7.6.2). Raises Refused:
        405 for every CONNECT, 400 for an OPTIONS in HTTP/1.0; otherwise as `admit` does before it authenticates.
        """
        if request.method == "CONNECT":
            raise Refused("method_not_allowed", headers={"Allow": _allow(METHODS)})
        if request.http_version == "1.0":  # RFC 1945 8 has no OPTIONS; and the parser reports RTSP/1.0 as 1.0
            raise Refused("bad_request", "OPTIONS requires HTTP/1.1.")
        if request.path == b"*" and not request.query:
            read_request_fields(request.headers, request.http_version, self._request_limits)
            return _allow(METHODS)
        _, fields = self._read(request)
        return None if fields.max_forwards != 0 else _allow(self.routes_of(request))

    def routes_of(self, request: Request) -> Mapping[str, Route]:
        """Return the routes of the request's path by method; empty if there is none."""
        return self._routes_at(request.path) or {}

    def _match_known(self, request: Request, fields: KnownFields) -> MatchedRequest | None:
        """Match `request` by what is known of its header section; None if nothing is. Raises Refused."""
        query = request.query
        if b"ticket=" in query:  # it may have a ticket, which is not forwarded
            return None
        check_target(request.path, query, self._request_limits)
        route = self._route(request, fields.content_length)
        known = self._known.get((fields.section, route))
        if known is None:
            return None
        credentials = known_credentials(fields, self._cookie_name)
        authenticator = known.authenticator
        if (
            fields.cookies and authenticator is not None
        ):  # the kind of credentials depends on the names of the cookies
            authenticator = self._authentication.choose(request, credentials)
        return MatchedRequest(
            route,
            authenticator,
            credentials,
            known.template,
            request_line(request.method, route.forwarded_path(request.path), query),
            framing_line(fields.content_length),
            bool(fields.content_length),
        )

    def _match(self, request: Request, *, with_tickets: bool) -> MatchedRequest:
        """Match `request`. Raises Refused."""
        route, fields = self._read(request)
        query, tickets = split_tickets(request, route) if with_tickets else (request.query, ())
        credentials = read_credentials(fields, self._cookie_name, tickets)
        authenticator = None if route.public else self._authentication.choose(request, credentials)
        template = head_template(
            method=request.method,
            fields=fields,
            overrides=route.request_overrides,
            via=self._via.line(request.http_version, fields.via),
            host=route.upstream.host,
        )
        matched = MatchedRequest(
            route,
            authenticator,
            credentials,
            template,
            request_line(request.method, route.forwarded_path(request.path), query),
            framing_line(fields.content_length, chunked=fields.chunked),
            fields.has_body,
            fields.chunked,
            route.websocket and is_websocket_upgrade(request),
        )
        if request.known_fields is not None and not (tickets or matched.is_websocket):
            self._known[request.known_fields.section, route] = KnownMatch(template, authenticator)
        return matched

    def _read(self, request: Request) -> tuple[Route, RequestFields]:
        """Check target and header fields, and return the route and the fields. Raises Refused."""
        check_target(request.path, request.query, self._request_limits)
        fields = read_request_fields(request.headers, request.http_version, self._request_limits)
        if fields.via is not None:
            self._via.check(fields.via)
        route = self._route(request, fields.content_length)
        if fields.opt_in_lines:
            self._count_withheld(forward_opt_in(fields, route.forward_headers))
        return route, fields

    def _route(self, request: Request, content_length: int | None) -> Route:
        by_method = self._routes_at(request.path)
        if by_method is None:
            raise Refused("not_found")
        route = by_method.get(request.method)
        if route is None:
            raise Refused("method_not_allowed", headers={"Allow": _allow(by_method)})  # RFC 9110 15.5.6
        if content_length is not None and content_length > route.max_body:
            raise body_too_large(route)
        return route


def _allow(methods: Iterable[str]) -> str:
    return ", ".join(sorted(methods))


def body_too_large(route: Route) -> Refused:
    """Return the refusal of a body that is larger than `route` accepts."""
    return Refused("body_too_large", f"This route takes bodies of at most {route.max_body} bytes.")
