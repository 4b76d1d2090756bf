"""The life of a request, from its arrival to the moment it may be forwarded. Reads top to bottom.

Every stage takes a value and returns one; a stage that says no raises Refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chassis.clock import Clock
from contract.problems import Refused
from gateway.arrival import Arrival
from gateway.authentication import Authentication, Proof
from gateway.authorizer import authorize
from gateway.examined import Examined
from gateway.framing import check_target
from gateway.headers import RequestFields, read_request_fields
from gateway.identity_headers import Voucher
from gateway.refresher import FreshTokens
from gateway.routes import Route, RouteTable
from gateway.upstream_request import RequestHead, head_template


@dataclass(frozen=True, slots=True)
class Passage:
    """A request that may pass: its route, the head to send, and whether and how a body follows."""

    route: Route
    head: RequestHead
    has_body: bool
    chunked: bool
    fresh: FreshTokens | None = None
    """Tokens that the gateway has refreshed on the way, to be handed back with whatever answer there is."""


class Pipeline:
    """match -> authenticate (-> refresh) -> authorize -> vouch."""

    def __init__(self, routes: RouteTable, authentication: Authentication, voucher: Voucher, clock: Clock) -> None:
        self._routes_at: Callable[[bytes], Mapping[str, Route] | None] = routes.at
        self._authentication = authentication
        self._voucher = voucher
        self._clock = clock

    def admit_known(self, arrival: Arrival) -> Passage | None:
        """What may be forwarded, where nothing has to be waited for to say so; None elsewhere. Raises Refused."""
        examined = self._examine(arrival)
        route, fields = examined.route, examined.fields
        if route.public:
            held = route.upstream.takes_credentials and (fields.cookies or fields.refresh_token)
            return None if held else self._passage(arrival, examined, None)
        proof = self._authentication.recall(fields)
        return self._passage(arrival, examined, proof) if proof is not None else None

    async def admit(self, arrival: Arrival) -> Passage:
        """What may be forwarded. Raises Refused."""
        examined = self._examine(arrival)
        return self._passage(arrival, examined, await self._prove(arrival, examined.fields, examined.route))

    def _examine(self, arrival: Arrival) -> Examined:
        known = arrival.known
        if known is not None and known.examined is not None:
            return known.examined
        check_target(arrival.path, arrival.query)
        fields = read_request_fields(arrival.headers, arrival.http_version)
        examined = Examined(self._route(arrival, fields), fields)
        if known is not None and not fields.cookies and not fields.refresh_token:  # else `fields` is still to change
            known.examined = examined
        return examined

    def _passage(self, arrival: Arrival, examined: Examined, proof: Proof | None) -> Passage:
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
                with_credentials=route.upstream.takes_credentials,
            )
        head = template.fill(
            client=arrival.client, scheme=arrival.scheme, request_id=arrival.request_id, identity=identity
        )
        return Passage(route, head, fields.has_body, fields.chunked, proof.fresh if proof is not None else None)

    def _route(self, arrival: Arrival, fields: RequestFields) -> Route:
        by_method = self._routes_at(arrival.path)
        if by_method is None:
            raise Refused("not_found")
        route = by_method.get(arrival.method)
        if route is None:
            raise Refused("method_not_allowed", headers={"Allow": ", ".join(sorted(by_method))})  # RFC 9110 15.5.6
        if fields.content_length is not None and fields.content_length > route.max_body:
            raise body_too_large(route)
        return route

    async def _prove(self, arrival: Arrival, fields: RequestFields, route: Route) -> Proof | None:
        if not route.public:
            return await self._authentication.prove(arrival, fields)
        if not route.upstream.takes_credentials:
            return None
        # The auth service answers for itself; the gateway adds what it holds or refreshes for the client.
        proof = await self._authentication.prove_if_held(arrival, fields)
        if proof is not None:
            fields.authorization = b"Bearer " + proof.token.encode("ascii")
        return proof

    def _vouch(self, proof: Proof, route: Route) -> bytes:
        try:
            authorize(proof.claims, route)
        except Refused as refused:
            if proof.fresh is not None:
                refused.headers = {**refused.headers, **proof.fresh.to_headers()}
            raise
        return self._voucher.vouch(proof.claims, route.upstream, self._clock())


def body_too_large(route: Route) -> Refused:
    """The refusal of a body that is larger than `route` takes."""
    return Refused("body_too_large", f"This route takes bodies of at most {route.max_body} bytes.")
