"""Decides who the client is: the peer, or whomever a trusted proxy in front says that it speaks for.

Fails closed: what is malformed, or said by somebody who is not trusted, counts as if it had not been said. Where a
request brings X-Forwarded-For or X-Forwarded-Proto, Forwarded (RFC 7239) is not looked at: most proxies write the
former and pass the latter on as any client may have made it up.
"""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import islice
from typing import Literal, NamedTuple

from gateway.http.forwarded import read_forwarded
from gateway.http.list_fields import elements_of

Peer = IPv4Network | IPv6Network | Literal["unix"]
"""Who may be trusted: a network, or whoever connects over a unix socket."""

UNKNOWN = "unknown"
"""The client's name where it has no address: its connection is a unix socket's. RFC 7239 6.2."""

MAX_HOPS = 32
"""Proxies in a row that are looked at; an honest chain has two or three."""

_NODE = re.compile(
    r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15}))(?::(?:[0-9]{1,5}|_[0-9A-Za-z._-]+))?|([0-9A-Fa-f:.]{2,45})"
)
# Some proxies name the scheme of a WebSocket (RFC 6455 3), which is HTTP until the handshake is answered.
_SCHEMES = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}
_REMEMBERED = 4_096

Headers = Iterable[tuple[bytes, bytes]]


class Provenance(NamedTuple):
    """Where a request comes from: the client's address, and the scheme by which it was sent."""

    client: str
    scheme: str


class _Hop(NamedTuple):
    address: str
    is_trusted: bool


class TrustedProxies:
    """Decides by `peers`; without any, nobody is believed."""

    def __init__(self, peers: Collection[Peer] = ()) -> None:
        self._trusts_sockets = "unix" in peers
        self._networks = tuple(peer for peer in peers if peer != "unix")
        # The addresses of proxies, and of clients that come back, are looked at once.
        self._hop = lru_cache(_REMEMBERED)(self._read_hop)

    def trusts(self, client: str) -> bool:
        """Whether the peer `client`, an address or UNKNOWN, is believed."""
        if client == UNKNOWN:
            return self._trusts_sockets
        if not self._networks:
            return False
        hop = self._hop(client)
        return hop is not None and hop.is_trusted

    def provenance(self, headers: Headers, peer: str, scheme: str) -> Provenance:
        """What the fields of a request say which came from the trusted `peer`; names are in lower case.

        The client is the rightmost address that is not trusted, or else the leftmost one. The scheme is what the
        nearest proxy says, in Forwarded the one that goes with the client.
        """
        nodes, schemes = elements_of(headers, b"x-forwarded-for"), elements_of(headers, b"x-forwarded-proto")
        if nodes or schemes:
            client, _ = self._followed((node.decode("latin-1") for node in reversed(nodes)), peer)
            return Provenance(client, _scheme(schemes[-1], scheme) if schemes else scheme)
        # Not by elements_of: a comma within quotes ends no element.
        elements = read_forwarded(_joined(headers, b"forwarded"))[::-1]
        client, looked_at = self._followed((element.get("for", "") for element in elements), peer)
        proto = elements[looked_at - 1].get("proto", "") if looked_at else ""
        return Provenance(client, _scheme(proto.encode("latin-1"), scheme))

    def _followed(self, nodes: Iterable[str], peer: str) -> tuple[str, int]:
        """The client, and how many of `nodes`, the nearest first, were looked at to find it."""
        client, looked_at = peer, 0
        for node in islice(nodes, MAX_HOPS):
            looked_at += 1
            hop = self._hop(node)
            if hop is None:
                break
            client = hop.address
            if not hop.is_trusted:
                break
        return client, looked_at

    def _read_hop(self, node: str) -> _Hop | None:
        address = read_address(node)
        if address is None:
            return None
        return _Hop(str(address), any(address in network for network in self._networks))


def read_address(node: str) -> IPv4Address | IPv6Address | None:
    """The address in `node`, which may name a port as well; None where there is none. RFC 7239 6."""
    match = _NODE.fullmatch(node)
    if match is None:
        return None
    try:
        address = ip_address(match[1] or match[2] or match[3])
    except ValueError:
        return None
    # A socket that serves both families names IPv4's addresses so (RFC 4291 2.5.5.2); one client has one name.
    return getattr(address, "ipv4_mapped", None) or address


def peer_name(host: str) -> str:
    """The one name of a peer that a socket calls `host`: without a zone (RFC 4007 11), which is our business."""
    return str(read_address(host.partition("%")[0]) or UNKNOWN)


def _joined(headers: Headers, name: bytes) -> str:
    return ",".join(value.decode("latin-1") for known, value in headers if known == name)


def forwarded_scheme(headers: Headers, otherwise: str) -> str:
    """The scheme that the nearest proxy names in X-Forwarded-Proto; `otherwise` where it names none."""
    schemes = elements_of(headers, b"x-forwarded-proto")
    return _scheme(schemes[-1], otherwise) if schemes else otherwise


def _scheme(said: bytes, otherwise: str) -> str:
    return _SCHEMES.get(said.lower(), otherwise)
