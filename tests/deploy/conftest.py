"""The engine with its images, and the system of docker-compose.yml, each started once."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.base_images import build, prepare
from tests.deploy.composed_system import ComposedSystem
from tests.deploy.engine import Engine, enter_network_namespace, problem, running_engine
from tests.faults.support.figures import add_figure, pytest_terminal_summary

# A fixture and a hook that pytest finds in this module.
__all__ = ["add_figure", "pytest_terminal_summary"]

# They take minutes and need root: `make test-deploy` runs them, `make test` does not.
collect_ignore_glob = [] if os.environ.get("SALLYPORT_DEPLOY") else ["test_*.py"]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A Docker engine that has stand-ins of the base images."""
    if reason := problem():
        pytest.skip(f"no Docker engine can run: {reason}")
    prepare()
    folder = Path(tempfile.mkdtemp(prefix="sallyport-deploy-"))
    try:
        try:
            enter_network_namespace()
            running = running_engine(folder, Path(os.environ["SALLYPORT_DEPLOY"]))
            engine = running.__enter__()
        except OSError as error:
            pytest.skip(f"no Docker engine can run: {error}")
        try:
            build(engine.docker, folder)
            yield engine
        finally:
            running.__exit__(None, None, None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def system(engine: Engine) -> Iterator[ComposedSystem]:
    """The system that `make up` starts: two gateways, two auth services and a resource service."""
    with tempfile.TemporaryDirectory(prefix="sallyport-secrets-") as folder:
        system = ComposedSystem(engine, Path(folder) / "secrets")
        try:
            printed = system.make("up")
            found = re.search(r"^ready at (http://\S+)$", printed, re.MULTILINE)
            assert found, printed
            system.url = found[1]
            yield system
        finally:
            system.compose("down", "--volumes", "--timeout", "5")
