"""Owns the routes: which requests the gateway lets through, to which upstream, and for whom. Default is deny."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from ssl import SSLContext
from typing import Literal
from urllib.parse import urlsplit

from chassis.rates import Rate
from contract.keys import AssertionSigner
from gateway.routing.header_overrides import FixedFields

AUTH_UPSTREAM = "auth"
"""The auth service's name among the upstreams. It alone sees Authorization and Cookie, and needs no assertion."""

HOST_CLIENT, HOST_UPSTREAM = "client", "upstream"
"""Whose Host a service is sent, where it is not a name."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
PUBLIC: Literal["public"] = "public"
AUTHENTICATED: Literal["authenticated"] = "authenticated"

Per = Literal["address", "identity"]
ADDRESS: Per = "address"
IDENTITY: Per = "identity"


@dataclass(frozen=True, slots=True)
class Address:
    """Where an upstream listens: `path` of a unix socket, or `host` and `port`; `authority` goes into Host.

    `tls` is None where it is spoken to in the clear. `ip` is one of the addresses that the name `host` has:
    connections go there, while Host, SNI and the certificate are about the name.
    """

    authority: str
    host: str = ""
    port: int = 0
    path: str = ""
    tls: SSLContext | None = None
    ip: str = ""

    @property
    def name(self) -> str:
        """What logs and metrics call it."""
        if self.path:
            return f"unix:{self.path}"
        return f"{self.authority} ({self.ip})" if self.ip else self.authority

    @property
    def is_name(self) -> bool:
        """Whether `host` is a name that has to be resolved."""
        try:
            ip_address(self.host)
        except ValueError:
            return bool(self.host)
        return False


def authority_key(authority: str, scheme: str) -> str:
    """`authority` as it is compared: in lower case, with the port of `scheme` where it names none.

    Raises ValueError.
    """
    parts = urlsplit(f"//{authority}")
    port = parts.port
    if not parts.hostname or parts.username is not None:
        raise ValueError(f"{authority!r} is no host")
    return f"{parts.hostname}:{port or (443 if scheme == 'https' else 80)}"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `read` bounds each silence of the upstream, `total` the whole exchange; 0 means without end."""

    connect: float = 1
    read: float = 30
    total: float = 60


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How an upstream's addresses are asked whether they are well. Times in seconds, `_after` in checks in a row."""

    path: str
    interval: float = 5
    timeout: float = 1
    unhealthy_after: int = 3
    healthy_after: int = 2


@dataclass(frozen=True, slots=True)
class Upstream:
    """A service behind the gateway. `signer` is None where no assertion is sent.

    An address is left out after `eject_after` failures in a row, where there are others; after `break_after` requests
    in a row without a sign of life from any address, none gets requests for a while. 0 means never.
    """

    name: str
    addresses: tuple[Address, ...]
    audience: str
    signer: AssertionSigner | None
    max_connections: int
    eject_after: int = 3
    break_after: int = 5
    health: HealthCheck | None = None
    resolve_interval: float = 10
    """Seconds after which the names among the addresses are resolved again."""
    max_connection_age: float = 300
    """Seconds after which a connection carries no further request; 0 means any age."""
    max_connection_requests: int = 10_000
    """Requests that a connection carries; 0 means any number."""
    host: str = HOST_CLIENT
    """What its requests say in Host: the client's, the upstream's own, or this name."""
    own_names: frozenset[str] = field(init=False)
    """By what it may call itself in a URL: its addresses, and the name in `host`, as authority_key has them."""
    own_ports: frozenset[str] = field(init=False)
    """The ports of its addresses."""

    def __post_init__(self) -> None:
        schemes = ("http", "https")
        names = {
            authority_key(address.authority, scheme)
            for address in self.addresses
            if address.host or address.path  # neither where only the file's form is checked
            for scheme in (schemes if address.path else ("https" if address.tls else "http",))
        }
        if self.host not in (HOST_CLIENT, HOST_UPSTREAM):
            names |= {authority_key(self.host, scheme) for scheme in schemes}
        object.__setattr__(self, "own_names", frozenset(names))
        ports = frozenset(str(address.port) for address in self.addresses if address.host)
        object.__setattr__(self, "own_ports", ports)

    @property
    def takes_credentials(self) -> bool:
        """Whether Authorization and cookies cross: to the auth service alone."""
        return self.name == AUTH_UPSTREAM


@dataclass(frozen=True, slots=True)
class Limit:
    """How often one address, or one identity, may come. Gateways share what they count under the same `id`."""

    id: str
    per: Per
    rate: Rate
    name: str = field(init=False)
    """What it is called in RateLimit fields (draft-ietf-httpapi-ratelimit-headers)."""
    policy: str = field(init=False)
    """What RateLimit-Policy says of it: quota, and window in seconds."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f'"{self.per}-{self.rate.seconds}s"')
        object.__setattr__(self, "policy", f"{self.name};q={self.rate.count};w={self.rate.seconds}")


@dataclass(frozen=True, slots=True)
class Bound:
    """How many requests may be under way at once in one worker, how many may wait, and for how many seconds."""

    max_concurrent: int
    queue: int = 0
    max_wait: float = 5.0


@dataclass(frozen=True, slots=True)
class Route:
    """What a request under `prefix` meets. `roles` is empty where any authenticated subject may pass."""

    prefix: str
    upstream: Upstream
    public: bool
    roles: frozenset[str]
    methods: frozenset[str]
    max_body: int
    timeouts: Timeouts
    strip: int = 0
    """How many of the path's first bytes, a prefix of whole segments, are not forwarded."""
    request_fields: FixedFields | None = None
    """What every request to the upstream says besides."""
    forward_headers: frozenset[bytes] = frozenset()
    """Names of fields that the client may send to the upstream here, which elsewhere are withheld."""
    answer_fields: FixedFields | None = None
    """What every answer of the upstream says besides."""
    expose_headers: bytes = b""
    """Fields of the service that pages of allowed origins may read, as Access-Control-Expose-Headers lists them."""
    keep_cookies: bool = False
    """Whether the cookies that the upstream sets reach the client."""
    limits: tuple[Limit, ...] = ()
    bound: Bound | None = None
    """None where any number of requests may be under way at once."""
    max_answer: int | None = None
    """Bytes."""
    websocket: bool = False
    """Whether a client may go on with WebSocket."""
    streams: bool = False
    """Whether every answer may be a stream, whatever its media type: it ends with its token instead of in time."""

    def forwarded_path(self, path: bytes) -> bytes:
        """What the upstream is asked for, where `path` was matched."""
        return path[self.strip :] or b"/" if self.strip else path


class RouteTable:
    """Finds a request's route: the longest prefix of whole segments. `version` tells one file from another."""

    def __init__(self, routes: Sequence[Route], version: str = "") -> None:
        self.routes = tuple(routes)
        self.version = version
        self._by_prefix: dict[bytes, dict[str, Route]] = {}
        for route in routes:
            by_method = self._by_prefix.setdefault(route.prefix.rstrip("/").encode(), {})
            by_method.update(dict.fromkeys(route.methods, route))

    def match(self, path: bytes, method: str = "GET") -> Route | None:
        """The route of a request, or None."""
        return (self.at(path) or {}).get(method)

    def at(self, path: bytes) -> Mapping[str, Route] | None:
        """The routes of `path` (as it came, undecoded) by method, or None: those of the longest prefix alone.

        As many look-ups as the path has segments.
        """
        candidate = path.rstrip(b"/")
        by_prefix = self._by_prefix
        while True:
            by_method = by_prefix.get(candidate)
            if by_method is not None or not candidate:
                return by_method
            candidate = candidate[: candidate.rfind(b"/")]

    def without_limits(self) -> "RouteTable":
        """The same routes, on which nobody is limited."""
        return RouteTable([replace(route, limits=()) for route in self.routes], self.version)

    def upstreams(self) -> tuple[Upstream, ...]:
        """Every upstream that a route leads to, once."""
        return tuple({route.upstream.name: route.upstream for route in self.routes}.values())
