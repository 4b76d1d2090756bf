"""Rate limits count all addresses of one client together, and no others."""

import pytest

from chassis.client_network import client_network


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unknown", ""),
        ("", ""),
        ("192.0.2.7:80", ""),
    ],
)
def test_an_ipv6_client_is_its_64_network_and_an_ipv4_client_its_address(address: str, network: str) -> None:
    """Otherwise an IPv6 client would have 2^64 limits. Clients with an unknown address are not counted together."""
    assert client_network(address) == network
