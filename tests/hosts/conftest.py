"""A deployment on many hosts, started once, and traffic at its edge."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.support.figures import add_figure, pytest_terminal_summary
from tests.hosts.support.deployment import GRACE, Deployment, deployed
from tests.hosts.support.network import Network, NetworkError, missing_programs
from tests.hosts.support.traffic import Traffic
from tests.postgres import find_program
from tests.system.support.running_edge import HAPROXY

# A fixture and a hook that pytest finds in this module.
__all__ = ["add_figure", "pytest_terminal_summary"]

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests of this folder where they cannot run, and name the reason."""
    reason = _reason_to_skip()
    for item in items:
        if reason and item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.skip(reason=reason))


def _reason_to_skip() -> str:
    if not os.environ.get("SALLYPORT_HOSTS"):
        return "takes minutes and root: `make test-hosts` runs it (SALLYPORT_HOSTS=1)"
    if os.getuid() != 0:
        return "network namespaces need root"
    programs = {"haproxy": HAPROXY, "postgresql": find_program("initdb"), "setpriv": shutil.which("setpriv")}
    missing = [*missing_programs(), *(name for name, found in programs.items() if not found)]
    if missing:
        return f"not installed: {', '.join(missing)}"
    probe = Network(("probe",), {})
    try:
        probe.make()
    except (NetworkError, OSError) as error:
        return f"network namespaces cannot be made: {error}"
    probe.remove()
    return ""


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    """The deployment of all tests but the upgrade. A test must repair what it breaks."""
    with deployed() as running:
        yield running


@pytest.fixture
def traffic(deployment: Deployment) -> Iterator[Traffic]:
    """Traffic at the edge."""
    with Traffic(deployment.url, GRACE) as running:
        yield running
