"""Rates as text, and the networks that count as one client."""

import pytest

from chassis.client_network import client_network
from chassis.rates import Rate, parse_rate


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        ("300/minute", Rate(300, 60)),
        ("50/second", Rate(50, 1)),
        ("1 / hour", Rate(1, 3_600)),
        ("10/5 minutes", Rate(10, 300)),
        ("7/day", Rate(7, 86_400)),
        (" 2/30 seconds ", Rate(2, 30)),
    ],
)
def test_rates_are_parsed(written: str, rate: Rate) -> None:
    assert parse_rate(written) == rate


@pytest.mark.parametrize("written", ["300/minute", "10/5 minutes", "50/second", "2/30 seconds", "1/day"])
def test_a_rate_is_formatted_as_it_is_written(written: str) -> None:
    assert str(parse_rate(written)) == written


@pytest.mark.parametrize(
    "written", ["", "300", "0/minute", "-1/minute", "5/0 seconds", "5/2 days", "5/fortnight", "1.5/second", 300, None]
)
def test_anything_else_is_rejected_with_an_example(written: object) -> None:
    with pytest.raises(ValueError, match="300/minute"):
        parse_rate(written)


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
def test_an_ipv6_client_counts_by_its_64(address: str, network: str) -> None:
    """Otherwise one client would have 2^64 budgets. Clients without an address are not counted together."""
    assert client_network(address) == network
