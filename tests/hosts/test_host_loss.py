"""Loss of a host: clients see errors for a few seconds, nobody is logged out, and no spent token is accepted."""

import time

import pytest

from tests.faults.support.figures import AddFigure
from tests.hosts.support.deployment import Deployment
from tests.hosts.support.traffic import Traffic
from tests.hosts.support.verdicts import assert_sessions_are_intact

pytestmark = pytest.mark.system

LOST_SECONDS = 20.0
WINDOW_SECONDS = 10.0
"""Requests that are sent later than this after the loss must succeed."""


@pytest.mark.parametrize("host", ["gateway1", "auth1", "notes1"])
def test_the_loss_of_one_host(deployment: Deployment, traffic: Traffic, add_figure: AddFigure, host: str) -> None:
    began = time.monotonic()
    deployment.lose(host)
    try:
        traffic.run_for(LOST_SECONDS)
    finally:
        deployment.recover(host)
    traffic.run_for(3)
    report = traffic.since(began)
    add_figure(str(report))
    assert_sessions_are_intact(traffic, add_figure)
    assert report.window < WINDOW_SECONDS
    assert report.share < 0.10
