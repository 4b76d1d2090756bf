"""The system and the Prometheus of the played faults."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.alerts.metrics_bridge import bridge
from tests.alerts.played_system import PlayedSystem, played_system
from tests.alerts.running_prometheus import RunningPrometheus, running_prometheus

# The played faults take minutes: `make test-alerts` runs them, `make test` does not.
collect_ignore_glob = [] if os.environ.get("SALLYPORT_ALERTS") else ["test_played_faults.py"]


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedSystem]:
    """A running system."""
    with played_system(tmp_path_factory.mktemp("alerts")) as system:
        yield system


@pytest.fixture(scope="session")
def prometheus(played: PlayedSystem) -> Iterator[RunningPrometheus]:
    """A Prometheus that scrapes the running system."""
    with ExitStack() as bridges:
        targets = {
            f"sallyport-{name}": bridges.enter_context(bridge(Path(path)))
            for name, path in played.internal_sockets().items()
        }
        with running_prometheus(targets) as running:
            yield running
