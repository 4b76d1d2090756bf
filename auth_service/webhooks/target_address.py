"""Resolve the host of an endpoint, and refuse addresses that are not public (server-side request forgery, CWE-918).

A connection is made to one of the returned addresses, so that a second look-up cannot lead elsewhere (DNS rebinding).
"""

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

Resolve = Callable[..., Sequence[tuple[Any, ...]]]
"""Looks a host up, as socket.getaddrinfo does."""

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052 2.1
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291 2.4, IANA's registry of IPv6 addresses


class RefusedTarget(Exception):
    """The host of an endpoint has an address that is not public, or none."""


def resolve_target(host: str, port: int, *, allow_private: bool, resolve: Resolve) -> Sequence[str]:
    """Return the IP addresses of `host`. Raises RefusedTarget if one is not public, unless `allow_private` is set."""
    try:
        found = resolve(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RefusedTarget(f"the host cannot be resolved: {error}") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    refused = [address for address in addresses if not allow_private and not is_public(address)]
    if refused:
        raise RefusedTarget(f"{refused[0]} is not a public address; WEBHOOKS_ALLOW_PRIVATE=on allows it")
    if not addresses:
        raise RefusedTarget("the host has no address")
    return addresses


def is_public(text: str) -> bool:
    """Return whether an IP address is on the internet, also one that has an IPv4 address in it."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        embedded = _embedded(address)
        if embedded is None:
            return address in _GLOBAL_UNICAST and address.is_global
        address = embedded
    return address.is_global and not address.is_multicast and not address.is_reserved


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address to which a gateway would send what is sent to `address`."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.teredo:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour
