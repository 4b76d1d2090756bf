"""Determine the client's address and scheme, which a trusted proxy may forward in header fields.

Fields from a peer that is not trusted are ignored, and so are malformed ones. If a request has X-Forwarded-For or
X-Forwarded-Proto, Forwarded (RFC 7239) is ignored: most proxies write only the X-Forwarded fields and forward a
Forwarded field that the client has set.
"""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import islice
from typing import Literal, NamedTuple

from gateway.http.forwarded import parse_forwarded
from gateway.http.header_fields import HeaderFields, list_elements_of

TrustedPeer = IPv4Network | IPv6Network | Literal["unix"]
"""A trusted network, or every peer that connects over a unix socket."""

UNKNOWN = "unknown"
"""The client address of a connection without an IP address, such as a unix socket (RFC 7239 6.2)."""

MAX_HOPS = 32
"""Maximum number of forwarded addresses that are read; real proxy chains have two or three."""

_NODE = re.compile(
    r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15}))(?::(?:[0-9]{1,5}|_[0-9A-Za-z._-]+))?|([0-9A-Fa-f:.]{2,45})"
)
# Some proxies write a WebSocket's scheme (RFC 6455 3); its handshake is an HTTP request.
_SCHEMES = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}
_MAX_CACHED_HOPS = 4_096


class ResolvedClient(NamedTuple):
    """The client's address, and the scheme that it uses."""

    address: str
    scheme: str


class _Hop(NamedTuple):
    address: str
    is_trusted: bool


class TrustedProxies:
    """The peers whose forwarding header fields are trusted; none by default."""

    def __init__(self, peers: Collection[TrustedPeer] = ()) -> None:
        self._trusts_unix_sockets = "unix" in peers
        self._networks = tuple(peer for peer in peers if peer != "unix")
        self._hop = lru_cache(_MAX_CACHED_HOPS)(self._parse_hop)

    def trusts(self, peer: str) -> bool:
        """Return whether `peer`, an address or UNKNOWN, is a trusted proxy."""
        if peer == UNKNOWN:
            return self._trusts_unix_sockets
        if not self._networks:
            return False
        hop = self._hop(peer)
        return hop is not None and hop.is_trusted

    def resolve(self, headers: HeaderFields, peer: str, scheme: str) -> ResolvedClient:
        """Return the client of a request that the trusted `peer` sent over `scheme`.

        Addresses are read from right to left, up to the first malformed one and at most MAX_HOPS. The client is the
        first that is not trusted; if all are trusted, the last one read, or `peer` if there is none. The scheme is
        the last one in X-Forwarded-Proto, or the `proto` of the last Forwarded element read.
        """
        nodes = list_elements_of(headers, b"x-forwarded-for")
        schemes = list_elements_of(headers, b"x-forwarded-proto")
        if nodes or schemes:
            client, _ = self._last_hop((node.decode("latin-1") for node in reversed(nodes)), peer)
            return ResolvedClient(client, _known_scheme(schemes[-1], scheme) if schemes else scheme)
        # list_elements_of cannot split Forwarded: a comma in a quoted string does not end an element.
        elements = parse_forwarded(_joined(headers, b"forwarded"))[::-1]
        client, hops = self._last_hop((element.get("for", "") for element in elements), peer)
        proto = elements[hops - 1].get("proto", "") if hops else ""
        return ResolvedClient(client, _known_scheme(proto.encode("latin-1"), scheme))

    def _last_hop(self, nodes: Iterable[str], peer: str) -> tuple[str, int]:
        """Return the client's address, and how many of `nodes` (nearest proxy first) were read to find it."""
        client, hops = peer, 0
        for node in islice(nodes, MAX_HOPS):
            hops += 1
            hop = self._hop(node)
            if hop is None:
                break
            client = hop.address
            if not hop.is_trusted:
                break
        return client, hops

    def _parse_hop(self, node: str) -> _Hop | None:
        address = parse_node(node)
        if address is None:
            return None
        return _Hop(str(address), any(address in network for network in self._networks))


def parse_node(node: str) -> IPv4Address | IPv6Address | None:
    """Return the address in a node identifier (RFC 7239 6), without its port; None if it has no address."""
    match = _NODE.fullmatch(node)
    if match is None:
        return None
    try:
        address = ip_address(match[1] or match[2] or match[3])
    except ValueError:
        return None
    # A dual-stack socket reports IPv4 addresses as IPv4-mapped IPv6 addresses (RFC 4291 2.5.5.2).
    return getattr(address, "ipv4_mapped", None) or address


def canonical_address(host: str) -> str:
    """Return the address `host` in canonical form, without its zone (RFC 4007 11); UNKNOWN if it is no address."""
    return str(parse_node(host.partition("%")[0]) or UNKNOWN)


def forwarded_scheme(headers: HeaderFields, default: str) -> str:
    """Return the scheme that the nearest proxy states in X-Forwarded-Proto, or `default`."""
    schemes = list_elements_of(headers, b"x-forwarded-proto")
    return _known_scheme(schemes[-1], default) if schemes else default


def _joined(headers: HeaderFields, name: bytes) -> str:
    return ",".join(value.decode("latin-1") for field_name, value in headers if field_name == name)


def _known_scheme(scheme: bytes, default: str) -> str:
    return _SCHEMES.get(scheme.lower(), default)
