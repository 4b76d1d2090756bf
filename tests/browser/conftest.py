"""A running stack, and Chromium of the system, driven by Playwright."""

import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.accessibility import AXE
from tests.browser.mailbox import Mailbox
from tests.browser.visitor import WAIT_MILLISECONDS
from tests.system.support.databases import make_databases
from tests.system.support.running_stack import RunningStack, run_stack

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder with secrets and empty databases, which the workers of pytest-xdist share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "databases"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir()
            make_databases(folder)
    return folder


@pytest.fixture(scope="session")
def stack(databases: Path) -> Iterator[RunningStack]:
    """A stack whose users verify their addresses, with the staff pages."""
    settings = {"SEND_ACTIVATION_EMAIL": "on", "SITE_NAME": "Notes", "SESSION_COOKIE_SECURE": "off"}
    with run_stack(databases, ADMIN_PAGES="on", **settings) as running:
        yield running


@pytest.fixture(scope="session")
def plain_stack(databases: Path) -> Iterator[RunningStack]:
    """A stack with the settings of `make run`."""
    with run_stack(databases) as running:
        yield running


@pytest.fixture(scope="session")
def url(stack: RunningStack) -> str:
    """The URL of the gateway, as it is in the links of mails."""
    return stack.url.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="session")
def mailbox(stack: RunningStack) -> Mailbox:
    return Mailbox(stack.data_dir / "mail")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    assert CHROMIUM, "Chromium is not installed; on Debian: apt-get install chromium"
    _install_axe()
    expect.set_options(timeout=WAIT_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def _install_axe() -> None:
    if not AXE.exists():
        command = ["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(command, cwd=Path(__file__).parent, check=True)
