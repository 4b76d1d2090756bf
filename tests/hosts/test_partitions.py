"""Partitions between two hosts: packets vanish, and neither side is told."""

import time
from collections.abc import Sequence

import pytest

from tests.faults.support.figures import AddFigure
from tests.hosts.support.deployment import Deployment
from tests.hosts.support.traffic import Traffic
from tests.hosts.support.verdicts import assert_sessions_are_intact

pytestmark = pytest.mark.system

PARTITION_SECONDS = 15.0
REPAIR_SECONDS = 15.0
"""After the partition, requests that are sent later than this must succeed."""


@pytest.mark.parametrize(
    ("pairs", "max_share"),
    [
        ([("gateway1", "redis")], 0.02),
        ([("auth1", "redis"), ("auth2", "redis")], 0.02),
        ([("auth1", "postgres")], 0.25),
        ([("gateway1", "auth1"), ("gateway1", "auth2")], 0.25),
    ],
    ids=["gateway-redis", "auth-services-redis", "auth1-postgres", "gateway-auth-services"],
)
def test_a_partition(
    deployment: Deployment,
    traffic: Traffic,
    add_figure: AddFigure,
    pairs: Sequence[tuple[str, str]],
    max_share: float,
) -> None:
    began = time.monotonic()
    with deployment.network.partitioned(pairs):
        traffic.run_for(PARTITION_SECONDS)
    repaired = time.monotonic()
    traffic.run_for(REPAIR_SECONDS + 5)
    report = traffic.since(began)
    add_figure(str(report))
    after = traffic.since(repaired).since(repaired)
    add_figure(f"after the partition: {after}")
    assert_sessions_are_intact(traffic, add_figure)
    assert report.share < max_share
    assert after.window < REPAIR_SECONDS


@pytest.mark.parametrize("host", ["gateway1", "redis", "postgres"])
def test_a_slow_link(deployment: Deployment, traffic: Traffic, add_figure: AddFigure, host: str) -> None:
    """100 ms in each direction and 1 % loss: requests are slower, and next to none fails."""
    began = time.monotonic()
    with deployment.network.slow_link(host, 0.1, 0.01):
        traffic.run_for(PARTITION_SECONDS)
        report = traffic.since(began)
    add_figure(str(report))
    assert_sessions_are_intact(traffic, add_figure)
    assert report.share < 0.10
