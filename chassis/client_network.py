"""The network that counts as one client in rate limits and in the log-in throttle."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network


@lru_cache(maxsize=65_536)
def client_network(address: str) -> str:
    """Return an IPv4 address unchanged, and an IPv6 address as its /64, all of which one client has (RFC 6177).

    An IPv4-mapped IPv6 address is returned as the IPv4 address.

    Return "" for any other text. Callers must not count "", because different clients would share one count.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((int(parsed), 64), strict=False))
