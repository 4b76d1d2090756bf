"""Owns which addresses count as one client where clients are counted."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network


@lru_cache(maxsize=65_536)
def network_of(address: str) -> str:
    """An IPv4 address as it is, an IPv6 one as its /64, of which a client has the whole (RFC 6177); "" for neither.

    What is neither cannot be told from others, and must not be counted with them.
    """
    try:
        known = ip_address(address)
    except ValueError:
        return ""
    if not isinstance(known, IPv6Address):
        return address
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(ip_network((int(known), 64), strict=False))
