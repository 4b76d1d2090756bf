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
from gateway.arrival import Arrival
from gateway.authentication import Authentication
from gateway.authorizer import authorize
from gateway.credentials import bearer_token
from gateway.examined import Examined
from gateway.framing import check_target
from gateway.headers import RequestFields, read_request_fields, release
from gateway.identity_headers import Voucher
from gateway.proof import Proof
from gateway.rate_limits.limits import Fields, Limits
from gateway.refresher import FreshTokens
from gateway.request_limits import DEFAULT_LIMITS, RequestLimits
from gateway.routing.routes import METHODS, Route, RouteTable
from gateway.streams.tickets import may_hold_ticket, take_ticket
from gateway.upstreams.upstream_request import HeadTemplate, head_template
from gateway.via import Via


class Passage(NamedTuple):
    """A request that may pass: its route, what its head is made of, and whether and how a body follows.

    A named tuple: a frozen dataclass of this size costs a request another microsecond.
    """

    route: Route
    template: HeadTemplate
    told: bytes
    identity: bytes
    has_body: bool
    chunked: bool
    proof: Proof | None = None
    """Whose request it is; an answer that is a stream lives no longer than this holds."""
    standing: Fields = ()
    """How the client stands with the route's rate limits: fields for the answer."""

    def head(self, host_line: bytes) -> bytes:
        """What is sent to the upstream's address of this Host, up to the body."""
        return self.template.fill(host_line, self.told, self.identity)

    @property
    def fresh(self) -> FreshTokens | None:
        """Tokens that the gateway has refreshed on the way, to be handed back with whatever answer there is."""
        return self.proof.fresh if self.proof is not None else None


@dataclass(frozen=True, slots=True)
class Vouched:
    """Who may pass as whom: `identity` is a block of ended lines for the route's upstream, empty for nobody."""

    identity: bytes
    proof: Proof | None
    standing: Fields

    @property
    def fresh(self) -> FreshTokens | None:
        """As of a passage."""
        return self.proof.fresh if self.proof is not None else None


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

    def admit_known(self, arrival: Arrival) -> Passage | None:
        """What may be forwarded, where nothing has to be waited for to say so; None elsewhere. Raises Refused."""
        examined = self._recall(arrival)
        route, fields = examined.route, examined.fields
        if route.public:
            if route.upstream.takes_credentials and (fields.cookies or fields.refresh_token):
                return None
            proof = None
        elif fields.cookies or fields.refresh_token or may_hold_ticket(arrival, route):
            return None
        else:
            try:
                token = arrival.token or bearer_token(fields.authorization)
                proof = self._authentication.recall(token)
                if proof is None:
                    # First of all, so that a flood of bad tokens ends here.
                    if route.limits and not self._limits.has_room(route.limits, arrival.client):
                        return None
                    proof = self._authentication.verify_at_once(token)
            except Refused as refused:
                # For its address a bad token is a request like any other: near a limit the shared count decides.
                is_counted = refused.status == 401 and bool(route.limits)
                if is_counted and not self._limits.note_known(route.limits, arrival.client):
                    return None
                raise
            if proof is None:
                return None
        if not route.limits:
            return self._passage(arrival, examined, proof)
        standing = self._limits.admit_known(route.limits, arrival.client, _subject(proof))
        return self._passage(arrival, examined, proof, standing) if standing is not None else None

    async def admit(self, arrival: Arrival) -> Passage:
        """What may be forwarded. Raises Refused."""
        examined = self._examine(arrival)
        route = examined.route
        if route.limits:
            # Before anything is verified for it, so that a flood of bad tokens ends here.
            await self._limits.admit(route.limits, client=arrival.client)
        ticket = None
        if may_hold_ticket(arrival, route):
            arrival, ticket = take_ticket(arrival, route)
        if ticket is not None:
            examined = Examined(route, examined.fields)  # whose head is built without the ticket
        proof, answer_fields = await self._prove(arrival, examined.fields, route, ticket)
        with _handing_back(proof):
            standing = await self._limit_identity(route, arrival, proof)
            return self._passage(arrival, examined, proof, standing + answer_fields)

    async def vouch_for(self, arrival: Arrival) -> Vouched:
        """As admit, for a request that somebody else forwards. Raises Refused."""
        examined = self._examine(arrival)
        route = examined.route
        if route.limits:
            await self._limits.admit(route.limits, client=arrival.client)
        proof = None if route.public else await self._authentication.prove(arrival, examined.fields)
        with _handing_back(proof):
            standing = await self._limit_identity(route, arrival, proof)
            identity = self._vouch(proof, route) if proof is not None else b""
            return Vouched(identity, proof, standing + (proof.answer_fields if proof is not None else ()))

    def confirm(self, passage: Passage) -> None:
        """Returns where a passage that is some seconds old would be given again. Raises Refused(401 or 503)."""
        if passage.proof is not None and not passage.route.public:
            self._authentication.confirm(passage.proof)

    async def _limit_identity(self, route: Route, arrival: Arrival, proof: Proof | None) -> Fields:
        if not route.limits:
            return ()
        return await self._limits.admit_identity(route.limits, arrival.client, _subject(proof))

    def answered_here(self, arrival: Arrival) -> str | None:
        """What Allow says where it is the gateway that answers an OPTIONS or CONNECT; None for what is forwarded.

        RFC 9110 7.6.2: at Max-Forwards 0 the request goes no further; 9.3.7: `*` means the server. Raises Refused.
        """
        if arrival.method == "CONNECT":
            raise Refused("method_not_allowed", headers={"Allow": _allow(METHODS)})
        if arrival.http_version == "1.0":  # RFC 1945 8 has no OPTIONS; and the parser says so of RTSP/1.0 too
            raise Refused("bad_request", "OPTIONS comes with HTTP/1.1.")
        if arrival.path == b"*" and not arrival.query:
            read_request_fields(arrival.headers, arrival.http_version, self._request_limits)
            return _allow(METHODS)
        if self._examine(arrival).fields.max_forwards != 0:
            return None
        return _allow(self._routes_at(arrival.path) or {})

    def routes_of(self, arrival: Arrival) -> Mapping[str, Route]:
        """The routes at the path of `arrival`, by method; empty where there is none."""
        return self._routes_at(arrival.path) or {}

    def _recall(self, arrival: Arrival) -> Examined:
        """As _examine. What is remembered of it holds for everybody who asks for the same: it knows no token."""
        known = arrival.known
        if known is None:
            return self._examine(arrival)
        if known.examined is not None:
            return known.examined
        examined = self._examine(arrival)
        fields = examined.fields
        is_own = fields.authorization is not None and examined.route.upstream.takes_credentials
        if not (is_own or fields.cookies or fields.refresh_token):
            known.examined = Examined(examined.route, replace(fields, authorization=None))
        return examined

    def _examine(self, arrival: Arrival) -> Examined:
        check_target(arrival.path, arrival.query, self._request_limits)
        fields = read_request_fields(arrival.headers, arrival.http_version, self._request_limits)
        if fields.via is not None:
            self._via.check(fields.via)
        route = self._route(arrival, fields)
        if fields.withheld:
            self._note_withheld(release(fields, route.forward_headers))
        return Examined(route, fields)

    def _passage(self, arrival: Arrival, examined: Examined, proof: Proof | None, standing: Fields = ()) -> Passage:
        route, fields = examined.route, examined.fields
        identity = b""
        if proof is not None and not route.public:
            identity = self._vouch(proof, route)
        template = examined.template
        if template is None:
            template = examined.template = head_template(
                method=arrival.method,
                path=route.forwarded_path(arrival.path),
                query=arrival.query,
                fields=fields,
                fixed=route.request_fields,
                via=self._via.line(arrival.http_version, fields.via),
                with_credentials=route.upstream.takes_credentials,
                host=route.upstream.host,
            )
        told = template.told(arrival.client, arrival.scheme, arrival.request_id)
        return Passage(route, template, told, identity, fields.has_body, fields.chunked, proof, standing)

    def _route(self, arrival: Arrival, fields: RequestFields) -> Route:
        by_method = self._routes_at(arrival.path)
        if by_method is None:
            raise Refused("not_found")
        route = by_method.get(arrival.method)
        if route is None:
            raise Refused("method_not_allowed", headers={"Allow": _allow(by_method)})  # RFC 9110 15.5.6
        if fields.content_length is not None and fields.content_length > route.max_body:
            raise body_too_large(route)
        return route

    async def _prove(
        self, arrival: Arrival, fields: RequestFields, route: Route, ticket: str | None
    ) -> tuple[Proof | None, Fields]:
        """Whose request it is, and fields for its answer."""
        if ticket is not None:
            return await self._authentication.prove_ticket(fields, ticket), ()
        if not route.public:
            proof = await self._authentication.prove(arrival, fields)
            return proof, proof.answer_fields
        if not route.upstream.takes_credentials:
            return None, ()
        if is_anonymous(arrival.method, route.forwarded_path(arrival.path).decode("latin-1")):
            self._authentication.withhold(fields)
            return None, ()
        # The auth service answers for itself; the gateway adds what it holds or refreshes for the client.
        held, answer_fields = await self._authentication.prove_if_held(arrival, fields)
        if held is not None:
            self._authentication.put_token(held, fields)
        return held, answer_fields

    def _vouch(self, proof: Proof, route: Route) -> bytes:
        authorize(proof.claims, route)
        return self._voucher.vouch(proof.claims, route.upstream, self._clock())


@contextmanager
def _handing_back(proof: Proof | None) -> Iterator[None]:
    """Has a refusal carry the tokens that were refreshed before it: the client's own are spent."""
    try:
        yield
    except Refused as refused:
        if proof is not None and proof.fresh is not None:
            refused.headers = {**refused.headers, **proof.fresh.to_headers()}
        raise


def _subject(proof: Proof | None) -> str:
    return proof.claims.subject if proof is not None else ""


def _allow(methods: Iterable[str]) -> str:
    return ", ".join(sorted(methods))


def body_too_large(route: Route) -> Refused:
    """The refusal of a body that is larger than `route` takes."""
    return Refused("body_too_large", f"This route takes bodies of at most {route.max_body} bytes.")
