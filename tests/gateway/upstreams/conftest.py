"""Fixtures of the upstreams' tests."""

import pytest

from tests.gateway.upstreams.balancers import BalancerHarness, unreachable_addresses


@pytest.fixture
def harness() -> BalancerHarness:
    """A balancer of three addresses h0, h1 and h2, to which the test does not connect."""
    return BalancerHarness(*unreachable_addresses(3))
