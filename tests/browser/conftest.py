"""A running stack, and Chromium of the system, driven by Playwright."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.mailbox import Mailbox
from tests.browser.visitor import AXE
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
def stack() -> Iterator[RunningStack]:
    """A stack whose users verify their addresses."""
    with run_stack(SEND_ACTIVATION_EMAIL="on", SITE_NAME="Notes", SESSION_COOKIE_SECURE="off") as running:
        yield running


@pytest.fixture(scope="session")
def plain_stack() -> Iterator[RunningStack]:
    """A stack with the settings of `make run`."""
    with run_stack() as running:
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
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def _install_axe() -> None:
    if not AXE.exists():
        command = ["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(command, cwd=Path(__file__).parent, check=True)
