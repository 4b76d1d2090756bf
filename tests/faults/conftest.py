"""The system that fault tests run against, started once, and its background traffic."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from tests.faults.support.figures import add_figure, pytest_terminal_summary
from tests.faults.support.parallel_requests import open_sessions
from tests.faults.support.running_system import RunningSystem, running_system
from tests.faults.support.steady_traffic import SteadyTraffic
from tests.system.support.running_stack import Tokens

# A fixture and a hook that pytest finds in this module.
__all__ = ["add_figure", "pytest_terminal_summary"]

# These tests take minutes: `make test-faults` runs them, `make test` does not.
collect_ignore_glob = [] if os.environ.get("SALLYPORT_FAULTS") else ["test_*.py", "upstreams/test_*.py"]

GRACE = 3.0
"""REFRESH_GRACE of the system, in seconds."""


@pytest.fixture(scope="session")
def system() -> Iterator[RunningSystem]:
    """A system with four auth workers and two gateways of two workers each. A test must restore what it stops."""
    with running_system(gateways=2, AUTH_WORKERS="4", GATEWAY_WORKERS="2", REFRESH_GRACE=str(int(GRACE))) as running:
        yield running


@pytest.fixture(scope="session")
def thousand_sessions(system: RunningSystem) -> list[Tokens]:
    """A thousand sessions of one account. A test that uses a refresh token replaces it with its successor."""
    return asyncio.run(open_sessions(system.url, system.client().register(), 1_000))


@pytest.fixture
def traffic(system: RunningSystem) -> Iterator[SteadyTraffic]:
    """Background traffic at both gateways."""
    with SteadyTraffic(*system.urls) as steady:
        yield steady
