"""The running systems that the fault tests share, each started once, and steady traffic beside them."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from tests.faults.crowd import log_in_often
from tests.faults.figures import pytest_terminal_summary, say
from tests.faults.running_system import RunningSystem, running_system
from tests.faults.steady_traffic import SteadyTraffic
from tests.system.running_stack import Tokens

__all__ = ["pytest_terminal_summary", "say"]

# Minutes of killing and waiting: `make test-faults` asks for it, `make test` does not.
collect_ignore_glob = [] if os.environ.get("SALLYPORT_FAULTS") else ["test_*.py"]

GRACE = 3.0
"""Seconds for which a spent refresh token is forgiven here."""


@pytest.fixture(scope="session")
def system() -> Iterator[RunningSystem]:
    """Four auth workers and two gateways of two workers each. A test leaves it as it found it."""
    with running_system(gateways=2, AUTH_WORKERS="4", GATEWAY_WORKERS="2", REFRESH_GRACE=str(int(GRACE))) as running:
        yield running


@pytest.fixture(scope="session")
def thousand(system: RunningSystem) -> list[Tokens]:
    """A thousand sessions of one account. A test that uses a refresh token puts its successor in its place."""
    return asyncio.run(log_in_often(system.url, system.client().register(), 1_000))


@pytest.fixture
def traffic(system: RunningSystem) -> Iterator[SteadyTraffic]:
    """Honest clients at both gateways."""
    with SteadyTraffic(*system.urls) as steady:
        yield steady
