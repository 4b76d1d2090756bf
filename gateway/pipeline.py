"""The life of a request, from its arrival to the moment it may be forwarded. Reads top to bottom.

Every stage takes a value and returns one; a stage that says no raises Refused.
"""

from collections.abc import Callable
from dataclasses import dataclass

from chassis.clock import Clock
from contract.claims import AccessClaims
from contract.problems import Refused
from gateway.authenticator import Authenticator
from gateway.authorizer import authorize
from gateway.credentials import bearer_token
from gateway.framing import check_target
from gateway.headers import RequestFields, read_request_fields
from gateway.identity_headers import Voucher
from gateway.routes import Route, RouteTable
from gateway.upstream_request import RequestHead, build_head


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it came. Header names are in lower case; path and query are undecoded."""

    request_id: str
    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    http_version: str
    client: str
    scheme: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A request that may pass: its route, the head to send, and whether and how a body follows."""

    route: Route
    head: RequestHead
    has_body: bool
    chunked: bool


class Pipeline:
    """match -> authenticate -> authorize -> vouch."""

    def __init__(
        self,
        routes: RouteTable,
        authenticator: Authenticator,
        voucher: Voucher,
        clock: Clock,
    ) -> None:
        self._match: Callable[[bytes], Route | None] = routes.match
        self._authenticator = authenticator
        self._voucher = voucher
        self._clock = clock

    async def admit(self, arrival: Arrival) -> Passage:
        """What may be forwarded. Raises Refused."""
        check_target(arrival.path, arrival.query)
        fields = read_request_fields(arrival.headers, arrival.http_version)
        route = self._route(arrival, fields)
        identity = b""
        if not route.public:
            claims = await self._authenticate(fields)
            authorize(claims, route)
            identity = self._voucher.vouch(claims, route.upstream, self._clock())
        head = build_head(
            method=arrival.method,
            path=arrival.path,
            query=arrival.query,
            fields=fields,
            client=arrival.client,
            scheme=arrival.scheme,
            request_id=arrival.request_id,
            identity=identity,
            with_credentials=route.upstream.takes_credentials,
        )
        return Passage(route, head, fields.has_body, fields.chunked)

    def _route(self, arrival: Arrival, fields: RequestFields) -> Route:
        route = self._match(arrival.path)
        if route is None:
            raise Refused("not_found")
        if arrival.method not in route.methods:
            raise Refused("method_not_allowed", headers={"Allow": route.allow})  # RFC 9110 15.5.6
        if fields.content_length is not None and fields.content_length > route.max_body:
            raise body_too_large(route)
        return route

    async def _authenticate(self, fields: RequestFields) -> AccessClaims:
        token = bearer_token(fields.authorization)
        known = self._authenticator.recall(token, self._clock())
        return known if known is not None else await self._authenticator.verify(token)


def body_too_large(route: Route) -> Refused:
    """The refusal of a body that is larger than `route` takes."""
    return Refused("body_too_large", f"This route takes bodies of at most {route.max_body} bytes.")
