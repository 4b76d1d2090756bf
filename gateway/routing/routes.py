"""Routes and upstreams as values: which requests may pass, for whom, and to which service. The default is deny."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from ssl import SSLContext
from typing import Literal
from urllib.parse import urlsplit

from chassis.rates import Rate
from chassis.secret_rotation.watched_secret import WatchedSecret
from contract.keys import AssertionSigner
from gateway.routing.header_overrides import HeaderOverrides

AUTH_UPSTREAM = "auth"
"""The name of the upstream that is the auth service. It alone receives Authorization and Cookie of clients, and it
receives no identity assertion."""

HOST_CLIENT, HOST_UPSTREAM = "client", "upstream"
"""Special values of an upstream's `host`: send the client's Host, or the upstream's own authority."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""The methods that a route may allow."""
PUBLIC: Literal["public"] = "public"
AUTHENTICATED: Literal["authenticated"] = "authenticated"
"""Values of a route's `access`: everybody may pass, or every authenticated subject. A list of roles is the third."""

Per = Literal["address", "identity"]
"""What a rate limit counts by: the client's network (chassis.client_network) or the subject."""
Claim = Literal["sub", "email", "roles", "sid"]
"""The claims of an access token about its subject, which `identity_headers` may send."""
ADDRESS: Per = "address"
IDENTITY: Per = "identity"


@dataclass(frozen=True, slots=True)
class Address:
    """One address of an upstream: the `path` of a unix socket, or `host` and `port`. `authority` is sent as Host.

    `tls` is None for plaintext connections. If `host` is a name, `ip` is one of its resolved addresses: connections
    go to `ip`, while Host, SNI and certificate verification use the name.
    """

    authority: str
    host: str = ""
    port: int = 0
    path: str = ""
    tls: SSLContext | None = None
    ip: str = ""

    @property
    def name(self) -> str:
        """Return the address as logs and metrics show it."""
        if self.path:
            return f"unix:{self.path}"
        return f"{self.authority} ({self.ip})" if self.ip else self.authority

    @property
    def is_name(self) -> bool:
        """Return whether `host` is a DNS name, which has to be resolved."""
        try:
            ip_address(self.host)
        except ValueError:
            return bool(self.host)
        return False


def authority_key(authority: str, scheme: str) -> str:
    """Return `authority` in the form used for comparison: lower case, with the default port of `scheme` filled in.

    Raises ValueError.
    """
    parts = urlsplit(f"//{authority}")
    port = parts.port
    if not parts.hostname or parts.username is not None:
        raise ValueError(f"{authority!r} is not a host")
    return f"{parts.hostname}:{port or (443 if scheme == 'https' else 80)}"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in seconds: `connect` for the connection, `read` between two reads from the upstream.

    `total` is for the whole exchange. `read` and `total` may be 0, which means no limit.
    """

    connect: float = 1
    read: float = 30
    total: float = 60


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Active health checks of an upstream's addresses. Times in seconds; `*_after` counts consecutive checks."""

    path: str
    interval: float = 5
    timeout: float = 1
    unhealthy_after: int = 3
    healthy_after: int = 2


@dataclass(frozen=True, slots=True)
class Upstream:
    """A service behind the gateway. `signer` is None if no identity assertion is sent to it.

    `audience` is the `aud` of its assertions. `max_connections` is for each address and worker.

    An address is ejected after `eject_after` consecutive failures, or after eight failures in sixteen requests, if
    other addresses remain; 0 means never. The circuit opens after `break_after` consecutive requests without a
    response from any address; 0 means never.
    """

    name: str
    addresses: tuple[Address, ...]
    audience: str
    signer: WatchedSecret[AssertionSigner] | None
    max_connections: int
    eject_after: int = 3
    break_after: int = 5
    health: HealthCheck | None = None
    resolve_interval: float = 10
    """Seconds between two DNS lookups of the names among the addresses."""
    max_connection_age: float = 300
    """Seconds after which a connection carries no further request; 0: no limit."""
    max_connection_requests: int = 10_000
    """Maximum number of requests that one connection carries; 0: no limit."""
    host: str = HOST_CLIENT
    """The Host of its requests: HOST_CLIENT, HOST_UPSTREAM, or a host name."""
    identity_headers: tuple[tuple[str, Claim], ...] = ()
    """Header fields with claims in plain text, as names and claims."""
    openapi: str = ""
    """The path of its OpenAPI document; empty if it has none."""
    identity_header_names: frozenset[bytes] = field(init=False)
    """Their names in lower case. Fields of these names are never forwarded from clients."""
    receives_identity: bool = field(init=False)
    """Whether it is sent an assertion or `identity_headers`."""
    own_authorities: frozenset[str] = field(init=False)
    """The authorities of URLs that point to this service: its addresses and `host`, as authority_key returns them."""
    own_ports: frozenset[str] = field(init=False)
    """The ports of its addresses."""

    def __post_init__(self) -> None:
        schemes = ("http", "https")
        authorities = {
            authority_key(address.authority, scheme)
            for address in self.addresses
            if address.host or address.path  # with syntax_only, a URL with a variable has neither
            for scheme in (schemes if address.path else ("https" if address.tls else "http",))
        }
        if self.host not in (HOST_CLIENT, HOST_UPSTREAM):
            authorities |= {authority_key(self.host, scheme) for scheme in schemes}
        object.__setattr__(self, "own_authorities", frozenset(authorities))
        ports = frozenset(str(address.port) for address in self.addresses if address.host)
        object.__setattr__(self, "own_ports", ports)
        names = frozenset(name.lower().encode("ascii") for name, _ in self.identity_headers)
        object.__setattr__(self, "identity_header_names", names)
        object.__setattr__(self, "receives_identity", self.signer is not None or bool(names))

    @property
    def takes_credentials(self) -> bool:
        """Return whether Authorization and Cookie are forwarded: to the auth service only."""
        return self.name == AUTH_UPSTREAM


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The maximum rate of requests per address or identity. Gateways share the counts of limits of the same `id`."""

    id: str
    per: Per
    rate: Rate
    name: str = field(init=False)
    """The policy name in RateLimit fields (draft-ietf-httpapi-ratelimit-headers)."""
    policy: str = field(init=False)
    """The item in RateLimit-Policy: quota, and window in seconds."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f'"{self.per}-{self.rate.seconds}s"')
        object.__setattr__(self, "policy", f"{self.name};q={self.rate.count};w={self.rate.seconds}")


@dataclass(frozen=True, slots=True)
class ConcurrencyLimit:
    """Limits of a route in one worker: requests in flight, requests in the queue, and seconds that each may wait."""

    max_concurrent: int
    queue: int = 0
    max_wait: float = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """The rules for requests under `prefix`. `public`: nobody is authenticated.

    Otherwise a subject needs one of `roles`; if there are none, every authenticated subject may pass. `max_body` is
    in bytes.
    Routes are compared and hashed by identity, so that a cache can use them as keys.
    """

    prefix: str
    upstream: Upstream
    public: bool
    roles: frozenset[str]
    methods: frozenset[str]
    max_body: int
    timeouts: Timeouts
    stripped_prefix_length: int = 0
    """Length in bytes of the prefix that is removed from the forwarded path; always whole segments."""
    replacement_prefix: bytes = b""
    """What the forwarded path gets in place of the removed prefix, without a slash at the end."""
    request_overrides: HeaderOverrides | None = None
    """Header fields set on every request to the upstream."""
    forward_headers: frozenset[bytes] = frozenset()
    """Names of client header fields that are forwarded on this route and withheld on others."""
    response_overrides: HeaderOverrides | None = None
    """Header fields set on every response of the upstream."""
    expose_headers: bytes = b""
    """Response fields that pages of allowed origins may read, as listed in Access-Control-Expose-Headers."""
    keep_cookies: bool = False
    """Whether Set-Cookie of the upstream reaches the client."""
    forward_cookies: bool = False
    """Whether the client's cookies, except the session cookie, reach the upstream."""
    accepts_forms: bool = False
    """Whether an unsafe request with the session cookie needs no custom header, which an HTML form cannot send."""
    limits: tuple[RateLimit, ...] = ()
    """The rate limits. All of them apply to every request."""
    concurrency_limit: ConcurrencyLimit | None = None
    """None: no limit on requests in flight."""
    max_answer: int | None = None
    """Largest response body in bytes; None: no limit."""
    websocket: bool = False
    """Whether WebSocket handshakes are accepted."""
    login_url: str = ""
    """The log-in page to which a browser without a session is redirected; empty: it gets the 401 of other clients."""
    streams: bool = False
    """Whether every response is a stream, whatever its media type: it ends with its token and ignores `total`."""

    def forwarded_path(self, path: bytes) -> bytes:
        """Return the path that is sent to the upstream for the matched `path`."""
        if not (self.stripped_prefix_length or self.replacement_prefix):
            return path
        return self.replacement_prefix + path[self.stripped_prefix_length :] or b"/"


class _Node:
    """A node of the trie of prefixes, one level for each segment."""

    __slots__ = ("by_method", "children")

    def __init__(self) -> None:
        self.children: dict[bytes, _Node] = {}
        self.by_method: dict[str, Route] | None = None
        """The routes of the prefix that ends here, by method; None if no prefix ends here."""


class RouteTable:
    """Finds a request's route: the longest matching prefix of whole segments. `version` identifies the file."""

    def __init__(self, routes: Sequence[Route], version: str = "") -> None:
        self.routes = tuple(routes)
        self.version = version
        self._root = _Node()
        for route in routes:
            node = self._root
            for segment in route.prefix.strip("/").encode().split(b"/"):
                node = node.children.setdefault(segment, _Node()) if segment else node
            node.by_method = {**(node.by_method or {}), **dict.fromkeys(route.methods, route)}

    def match(self, path: bytes, method: str = "GET") -> Route | None:
        """Return the route of a request, or None."""
        return (self.routes_by_method(path) or {}).get(method)

    def routes_by_method(self, path: bytes) -> Mapping[str, Route] | None:
        """Return the routes at the longest matching prefix of `path`, by method; None if no prefix matches.

        `path` is percent-encoded and begins with a slash. Costs a dict look-up for each segment that is in a prefix.
        """
        node = self._root
        found = node.by_method
        for segment in path.split(b"/")[1:]:
            child = node.children.get(segment)
            if child is None:
                break
            node = child
            found = node.by_method or found
        return found

    def without_limits(self) -> "RouteTable":
        """Return the same routes without rate limits."""
        return RouteTable([replace(route, limits=()) for route in self.routes], self.version)

    def upstreams(self) -> tuple[Upstream, ...]:
        """Return the upstreams of all routes, each once."""
        return tuple({route.upstream.name: route.upstream for route in self.routes}.values())
