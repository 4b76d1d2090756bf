"""The upgrade of docs/upgrade.md with traffic on: from the previous release to this one, host by host."""

import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.plan import ROOT
from tests.faults.support.figures import AddFigure
from tests.hosts.support.deployment import AUTH, GATEWAYS, GRACE, NOTES, Deployment, deployed
from tests.hosts.support.traffic import Traffic
from tests.hosts.support.verdicts import assert_sessions_are_intact

pytestmark = pytest.mark.system

# Until there is a tag: the last commit before the changes of the next release.
FIRST_RELEASE = "d5efef5"


@pytest.fixture
def previous_release(tmp_path: Path) -> Path:
    """The files of the previous release: of SALLYPORT_PREVIOUS, or of the newest tag, or of FIRST_RELEASE."""
    release = os.environ.get("SALLYPORT_PREVIOUS") or _newest_tag() or FIRST_RELEASE
    archive = tmp_path / "previous.tar"
    done = subprocess.run(["git", "archive", "-o", str(archive), release], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"git has no {release}: {done.stderr.strip()}")
    with tarfile.open(archive) as files:
        files.extractall(tmp_path / "previous", filter="data")
    return tmp_path / "previous"


@pytest.fixture
def old_deployment(previous_release: Path) -> Iterator[Deployment]:
    """A deployment that runs the previous release."""
    with deployed(previous_release) as running:
        yield running


def test_a_rolling_upgrade(old_deployment: Deployment, add_figure: AddFigure) -> None:
    with Traffic(old_deployment.url, GRACE) as traffic:
        began = time.monotonic()
        old_deployment.code = ROOT
        old_deployment.migrate()
        add_figure(f"migration: {traffic.since(began)}")
        for host in (*AUTH, *GATEWAYS, *NOTES):
            step = time.monotonic()
            old_deployment.restart(host)
            traffic.run_for(2)
            add_figure(f"{host}: {traffic.since(step)}")
        report = traffic.since(began)
        add_figure(f"whole upgrade: {report}")
        assert_sessions_are_intact(traffic, add_figure)
    assert report.share < 0.02


def _newest_tag() -> str:
    command = ["git", "describe", "--tags", "--abbrev=0"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
