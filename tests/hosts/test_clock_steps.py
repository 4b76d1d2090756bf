"""Clock steps on one host: up to ten seconds nobody notices.

A minute at a gateway ends no session. A minute at an auth service does, for clients that take a 401 at a refresh for
a log-out: refresh tokens that seem to come from the future are refused. No token is accepted again in any case.
"""

import time
from collections.abc import Iterator

import pytest

from tests.faults.support.figures import AddFigure
from tests.hosts.support.deployment import GRACE, Deployment
from tests.hosts.support.traffic import Traffic
from tests.hosts.support.verdicts import assert_sessions_are_intact

pytestmark = pytest.mark.system

STEP_SECONDS = 15.0
STEPPED = ("gateway2", "auth2")


@pytest.fixture(scope="module")
def clocks(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment with a clock of its own on one host of each kind that has one."""
    for host in STEPPED:
        deployment.give_clock(host)
    yield deployment
    for host in STEPPED:
        deployment.take_clock(host)


@pytest.mark.parametrize(
    ("host", "step", "max_share"),
    [
        ("gateway2", 8, 0.02),
        ("gateway2", 60, 0.75),
        ("gateway2", -60, 0.75),
        ("auth2", 8, 0.02),
    ],
)
def test_a_clock_step(clocks: Deployment, add_figure: AddFigure, host: str, step: float, max_share: float) -> None:
    with Traffic(clocks.url, GRACE) as traffic:
        began = time.monotonic()
        clocks.step_clock(host, step)
        try:
            traffic.run_for(STEP_SECONDS)
        finally:
            clocks.step_clock(host, 0)
        corrected = time.monotonic()
        traffic.run_for(STEP_SECONDS)
        report, after = traffic.since(began), traffic.since(corrected).since(corrected)
        add_figure(str(report))
        add_figure(f"after the correction: {after}")
        assert_sessions_are_intact(traffic, add_figure)
    assert report.share < max_share
    assert after.window < STEP_SECONDS - 3


@pytest.mark.parametrize("step", [60, -60])
def test_a_clock_step_of_a_minute_at_an_auth_service_accepts_no_token_again(
    clocks: Deployment, add_figure: AddFigure, step: float
) -> None:
    with Traffic(clocks.url, GRACE) as traffic:
        began = time.monotonic()
        clocks.step_clock("auth2", step)
        try:
            traffic.run_for(STEP_SECONDS)
        finally:
            clocks.step_clock("auth2", 0)
        add_figure(str(traffic.since(began)))
        verdict = traffic.verdict()
        add_figure(f"refreshes refused with 401: {verdict.logged_out}; accepted again: {verdict.revived}")
    assert verdict.revived == 0
