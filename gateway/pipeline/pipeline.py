"""The life of a request, from its arrival to the moment it may be forwarded. Reads top to bottom.

Every stage takes a value and returns one; a stage that says no raises Refused.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

from chassis.clock import Clock
from contract.anonymous import is_anonymous
from contract.problems import Refused
from gateway.browser_sessions.tickets import may_have_ticket, take_ticket
from gateway.http.request import Request
from gateway.http.request_headers import RequestFields, forward_opt_in, read_request_fields
from gateway.http.request_limits import DEFAULT_LIMITS, RequestLimits
from gateway.http.via import Via
from gateway.pipeline.authenticate import Authentication
from gateway.pipeline.authorize import authorize
from gateway.pipeline.credentials import bearer_token
from gateway.pipeline.identity_headers import Voucher
from gateway.pipeline.matched_request import MatchedRequest
from gateway.pipeline.request_head import HeadTemplate, head_template
from gateway.pipeline.request_target import check_target
from gateway.rate_limits.limiter import Fields, Limits
from gateway.routing.routes import METHODS, Route, RouteTable
from gateway.tokens.principal import Principal
from gateway.tokens.refresh import FreshTokens


class AdmittedRequest(NamedTuple):
    """A request that may pass: its route, what its head is made of, and whether and how a body follows.

    A named tuple: a frozen dataclass of this size costs a request another microsecond.
    """

    route: Route
    template: HeadTemplate
    told: bytes
    identity: bytes
    has_body: bool
    chunked: bool
    principal: Principal | None = None
    """Whose request it is; an answer that is a stream lives no longer than this holds."""
    standing: Fields = ()
    """How the client stands with the route's rate limits: fields for the answer."""

    def head(self, host_line: bytes) -> bytes:
        """What is sent to the upstream's address of this Host, up to the body."""
        return self.template.fill(host_line, self.told, self.identity)

    @property
    def fresh(self) -> FreshTokens | None:
        """Tokens that the gateway has refreshed on the way, to be handed back with whatever answer there is."""
        return self.principal.fresh if self.principal is not None else None


@dataclass(frozen=True, slots=True)
class ForwardAuthDecision:
    """Who may pass as whom: `identity` is a block of ended lines for the route's upstream, empty for nobody."""

    identity: bytes
    principal: Principal | None
    standing: Fields

    @property
    def fresh(self) -> FreshTokens | None:
        """As of a passage."""
        return self.principal.fresh if self.principal is not None else None


class Pipeline:
    """match -> limit -> authenticate (-> refresh) -> authorize -> vouch."""

    def __init__(
        self,
        routes: RouteTable,
        authentication: Authentication,
        voucher: Voucher,
        limits: Limits,
        via: Via,
        clock: Clock,
        note_withheld: Callable[[int], None],
        request_limits: RequestLimits = DEFAULT_LIMITS,
    ) -> None:
        self._routes_at: Callable[[bytes], Mapping[str, Route] | None] = routes.at
        self._authentication = authentication
        self._voucher = voucher
        self._limits = limits
        self._via = via
        self._clock = clock
        self._note_withheld = note_withheld
        self._request_limits = request_limits

    def admit_known(self, request: Request) -> AdmittedRequest | None:
        """What may be forwarded, where nothing has to be waited for to say so; None elsewhere. Raises Refused."""
        matched = self._recall(request)
        route, fields = matched.route, matched.fields
        if route.public:
            if route.upstream.takes_credentials and (fields.cookies or fields.refresh_token):
                return None
            principal = None
        elif fields.cookies or fields.refresh_token or may_have_ticket(request, route):
            return None
        else:
            try:
                token = request.token or bearer_token(fields.authorization)
                principal = self._authentication.recall(token)
                if principal is None:
                    # First of all, so that a flood of bad tokens ends here.
                    if route.limits and not self._limits.has_room(route.limits, request.client):
                        return None
                    principal = self._authentication.verify_at_once(token)
            except Refused as refused:
                # For its address a bad token is a request like any other: near a limit the shared count decides.
                is_counted = refused.status == 401 and bool(route.limits)
                if is_counted and not self._limits.note_known(route.limits, request.client):
                    return None
                raise
            if principal is None:
                return None
        if not route.limits:
            return self._admitted(request, matched, principal)
        standing = self._limits.admit_known(route.limits, request.client, _subject(principal))
        return self._admitted(request, matched, principal, standing) if standing is not None else None

    async def admit(self, request: Request) -> AdmittedRequest:
        """What may be forwarded. Raises Refused."""
        matched = self._examine(request)
        route = matched.route
        if route.limits:
            # Before anything is verified for it, so that a flood of bad tokens ends here.
            await self._limits.admit(route.limits, client=request.client)
        ticket = None
        if may_have_ticket(request, route):
            request, ticket = take_ticket(request, route)
        if ticket is not None:
            matched = MatchedRequest(route, matched.fields)  # whose head is built without the ticket
        principal, answer_fields = await self._prove(request, matched.fields, route, ticket)
        with _handing_back(principal):
            standing = await self._limit_identity(route, request, principal)
            return self._admitted(request, matched, principal, standing + answer_fields)

    async def vouch_for(self, request: Request) -> ForwardAuthDecision:
        """As admit, for a request that somebody else forwards. Raises Refused."""
        matched = self._examine(request)
        route = matched.route
        if route.limits:
            await self._limits.admit(route.limits, client=request.client)
        principal = None if route.public else await self._authentication.prove(request, matched.fields)
        with _handing_back(principal):
            standing = await self._limit_identity(route, request, principal)
            identity = self._vouch(principal, route) if principal is not None else b""
            return ForwardAuthDecision(
                identity, principal, standing + (principal.answer_fields if principal is not None else ())
            )

    def confirm(self, admitted: AdmittedRequest) -> None:
        """Returns where a passage that is some seconds old would be given again. Raises Refused(401 or 503)."""
        if admitted.principal is not None and not admitted.route.public:
            self._authentication.confirm(admitted.principal)

    async def _limit_identity(self, route: Route, request: Request, principal: Principal | None) -> Fields:
        if not route.limits:
            return ()
        return await self._limits.admit_identity(route.limits, request.client, _subject(principal))

    def answered_here(self, request: Request) -> str | None:
        """What Allow says where it is the gateway that answers an OPTIONS or CONNECT; None for what is forwarded.

        RFC 9110 7.6.2: at Max-Forwards 0 the request goes no further; 9.3.7: `*` means the server. Raises Refused.
        """
        if request.method == "CONNECT":
            raise Refused("method_not_allowed", headers={"Allow": _allow(METHODS)})
        if request.http_version == "1.0":  # RFC 1945 8 has no OPTIONS; and the parser says so of RTSP/1.0 too
            raise Refused("bad_request", "OPTIONS comes with HTTP/1.1.")
        if request.path == b"*" and not request.query:
            read_request_fields(request.headers, request.http_version, self._request_limits)
            return _allow(METHODS)
        if self._examine(request).fields.max_forwards != 0:
            return None
        return _allow(self._routes_at(request.path) or {})

    def routes_of(self, request: Request) -> Mapping[str, Route]:
        """The routes at the path of `arrival`, by method; empty where there is none."""
        return self._routes_at(request.path) or {}

    def _recall(self, request: Request) -> MatchedRequest:
        """As _examine. What is remembered of it holds for everybody who asks for the same: it knows no token."""
        known = request.known
        if known is None:
            return self._examine(request)
        if known.matched is not None:
            return known.matched
        matched = self._examine(request)
        fields = matched.fields
        is_own = fields.authorization is not None and matched.route.upstream.takes_credentials
        if not (is_own or fields.cookies or fields.refresh_token):
            known.matched = MatchedRequest(matched.route, replace(fields, authorization=None))
        return matched

    def _examine(self, request: Request) -> MatchedRequest:
        check_target(request.path, request.query, self._request_limits)
        fields = read_request_fields(request.headers, request.http_version, self._request_limits)
        if fields.via is not None:
            self._via.check(fields.via)
        route = self._route(request, fields)
        if fields.opt_in_lines:
            self._note_withheld(forward_opt_in(fields, route.forward_headers))
        return MatchedRequest(route, fields)

    def _admitted(
        self, request: Request, matched: MatchedRequest, principal: Principal | None, standing: Fields = ()
    ) -> AdmittedRequest:
        route, fields = matched.route, matched.fields
        identity = b""
        if principal is not None and not route.public:
            identity = self._vouch(principal, route)
        template = matched.template
        if template is None:
            template = matched.template = head_template(
                method=request.method,
                path=route.forwarded_path(request.path),
                query=request.query,
                fields=fields,
                fixed=route.request_overrides,
                via=self._via.line(request.http_version, fields.via),
                with_credentials=route.upstream.takes_credentials,
                host=route.upstream.host,
            )
        told = template.told(request.client, request.scheme, request.request_id)
        return AdmittedRequest(route, template, told, identity, fields.has_body, fields.chunked, principal, standing)

    def _route(self, request: Request, fields: RequestFields) -> Route:
        by_method = self._routes_at(request.path)
        if by_method is None:
            raise Refused("not_found")
        route = by_method.get(request.method)
        if route is None:
            raise Refused("method_not_allowed", headers={"Allow": _allow(by_method)})  # RFC 9110 15.5.6
        if fields.content_length is not None and fields.content_length > route.max_body:
            raise body_too_large(route)
        return route

    async def _prove(
        self, request: Request, fields: RequestFields, route: Route, ticket: str | None
    ) -> tuple[Principal | None, Fields]:
        """Whose request it is, and fields for its answer."""
        if ticket is not None:
            return await self._authentication.prove_ticket(fields, ticket), ()
        if not route.public:
            principal = await self._authentication.prove(request, fields)
            return principal, principal.answer_fields
        if not route.upstream.takes_credentials:
            return None, ()
        if is_anonymous(request.method, route.forwarded_path(request.path).decode("latin-1")):
            self._authentication.withhold(fields)
            return None, ()
        # The auth service answers for itself; the gateway adds what it holds or refreshes for the client.
        held, answer_fields = await self._authentication.prove_if_held(request, fields)
        if held is not None:
            self._authentication.put_token(held, fields)
        return held, answer_fields

    def _vouch(self, principal: Principal, route: Route) -> bytes:
        authorize(principal.claims, route)
        return self._voucher.vouch(principal.claims, route.upstream, self._clock())


@contextmanager
def _handing_back(principal: Principal | None) -> Iterator[None]:
    """Has a refusal carry the tokens that were refreshed before it: the client's own are spent."""
    try:
        yield
    except Refused as refused:
        if principal is not None and principal.fresh is not None:
            refused.headers = {**refused.headers, **principal.fresh.to_headers()}
        raise


def _subject(principal: Principal | None) -> str:
    return principal.claims.subject if principal is not None else ""


def _allow(methods: Iterable[str]) -> str:
    return ", ".join(sorted(methods))


def body_too_large(route: Route) -> Refused:
    """The refusal of a body that is larger than `route` takes."""
    return Refused("body_too_large", f"This route takes bodies of at most {route.max_body} bytes.")
