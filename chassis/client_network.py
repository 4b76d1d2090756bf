"""The network that counts as one client in rate limits and in the log-in throttle."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network


@lru_cache(maxsize=65_536)
def client_network(address: str) -> str:
    """Return the network of an IP address: an IPv4 address itself, or the /64 of an IPv6 address.

    One client can use every address of its /64 (RFC 6177). An IPv4-mapped IPv6 address counts as the IPv4 address.

    Any other text gives "". Callers must not count "", because different clients would share one count.
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
