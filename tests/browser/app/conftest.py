"""Stacks with short lifetimes, devices, faults, and where pictures are."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from stack.plan import ROOT
from tests.browser.app.device import Device, Mode, new_device
from tests.system.support.running_stack import Account, RunningStack, run_stack

PICTURES = pytest.StashKey[Path]()
ACCESS_SECONDS = 3

NewDevice = Callable[..., Device]


@pytest.fixture(scope="session", autouse=True)
def built_app() -> None:
    """The app was built."""
    assert (ROOT / "client" / "dist" / "app" / "index.html").exists(), "The app is not built: make client"


@pytest.fixture(scope="session")
def brief_stack(databases: Path) -> Iterator[RunningStack]:
    """A stack whose access tokens expire after three seconds."""
    settings = {"ACCESS_LIFETIME_JITTER": "0", "ACCESS_TOKEN_LEEWAY": "0"}
    with run_stack(databases, ACCESS_TOKEN_LIFETIME=str(ACCESS_SECONDS), **settings) as running:
        yield running


@pytest.fixture(params=["cookie", "token"])
def mode(request: pytest.FixtureRequest) -> Mode:
    """Who holds the tokens: the gateway, or the app."""
    mode: Mode = request.param
    return mode


@pytest.fixture
def new(chromium: Browser) -> Iterator[NewDevice]:
    """Return a function that opens a device. At the end, each is checked and closed."""
    devices: list[Device] = []

    def open_device(*arguments: object, **options: object) -> Device:
        devices.append(new_device(chromium, *arguments, **options))  # type: ignore[arg-type]
        return devices[-1]

    yield open_device
    for device in devices:
        device.context.close()
    for device in devices:
        device.check()


@dataclass(frozen=True, slots=True)
class Faults:
    """Switches the faults of a gateway in development."""

    stack: RunningStack

    def turn_on(self, fault: str, path: str) -> None:
        """Switch a fault on for paths that begin with `path`, until it is switched off."""
        body = {"fault": fault, "path": path, "seconds": 120}
        assert self.stack.send("POST", "/development/faults", json=body).status_code == 200

    def turn_off(self) -> None:
        """Switch all faults off."""
        assert self.stack.send("DELETE", "/development/faults").status_code == 200


@pytest.fixture
def faults(plain_stack: RunningStack) -> Iterator[Faults]:
    """The faults of the plain stack. At the end, all are off."""
    faults = Faults(plain_stack)
    yield faults
    faults.turn_off()


def wait_for_expiry(stack: RunningStack, account: Account) -> None:
    """Wait until the services refuse a token that was issued now: the clock is that of other processes."""
    access = stack.login(account).access
    deadline = time.monotonic() + 30
    while stack.whoami(access).status_code == 200:
        assert time.monotonic() < deadline, "the token does not expire"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def pictures(pytestconfig: pytest.Config) -> Path:
    """The folder for pictures, which is printed at the end."""
    folder = Path(os.environ.get("SALLYPORT_PICTURES") or ROOT / ".data" / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    pytestconfig.stash[PICTURES] = folder
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print where the pictures are."""
    folder = terminalreporter.config.stash.get(PICTURES, None)
    if folder:
        terminalreporter.write_line(f"Pictures of the app: {folder}")
