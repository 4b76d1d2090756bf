"""Two gateways of two workers each, an auth service for each of them, and a resource service, on the same files."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from stack.address import Port
from stack.plan import ROOT
from tests.faults.support.managed_process import ManagedProcess
from tests.faults.support.running_system import RunningSystem, running_system, wait_until_ready

# These tests take minutes: `make test-rotation` runs them, `make test` does not.
collect_ignore_glob = [] if os.environ.get("SALLYPORT_ROTATION") else ["test_*.py"]

SPREAD = 3.0
"""Seconds that the commands give the processes to read a changed file. They look at it once a second."""

# Short lifetimes, so that old keys retire within minutes.
SHORT_LIVES = {
    "ACCESS_TOKEN_LIFETIME": "30",
    "ACCESS_TOKEN_LEEWAY": "0",
    "REFRESH_TOKEN_LIFETIME": "60",
    "MAIL_TOKEN_LIFETIME": "60",
    "JWKS_MAX_AGE": "1",
    "LOG_FORMAT": "json",
    "AUTH_WORKERS": "2",
    "GATEWAY_WORKERS": "2",
}


@dataclass(frozen=True, slots=True)
class Deployment:
    """The system, and the second pair of auth service and gateway with its URL."""

    system: RunningSystem
    auth: ManagedProcess
    gateway: ManagedProcess
    url: str

    @property
    def urls(self) -> tuple[str, str]:
        """Return the URLs of both gateways."""
        return (self.system.url, self.url)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of everything that can be replaced."""
        return ("signing", "refresh", "peer", str(self.system.data_dir / "notes.secret"))

    def keys(self, *words: str) -> "subprocess.Popen[str]":
        """Start `keys WORDS` with the settings of the auth service."""
        command = self.system.auth.command
        argv = (sys.executable, "-m", "auth_service", "keys", *words, "--spread", f"{SPREAD:g}", "--jwks-cached", "1")
        environ = dict(command.environ)
        return subprocess.Popen(
            argv, env=environ, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run_keys(self, *words: str, timeout: float = 300) -> str:
        """Run `keys WORDS` and return its output."""
        process = self.keys(*words)
        output, errors = process.communicate(timeout=timeout)
        assert process.returncode == 0, errors
        return output

    def secrets(self) -> dict[str, str]:
        """Return the content of every secret's file."""
        folder = self.system.data_dir
        files: Sequence[Path] = (*folder.glob("*.secret"), folder / "signing.pem")
        return {path.name: path.read_text() for path in files}

    def start_second_gateway(self) -> None:
        """Start the second gateway after it was stopped, and wait until it is ready."""
        self.gateway.start()
        wait_until_ready(self.gateway, Port("127.0.0.1", int(self.url.rpartition(":")[2])))

    def events(self, event: str) -> list[str]:
        """Return the log lines of this event in all processes."""
        processes = (*self.system.processes, self.auth, self.gateway)
        return [f"{process.name}: {line}" for process in processes for line in process.events(event)]


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    """Return the running deployment."""
    with ExitStack() as stack:
        system = stack.enter_context(running_system(gateways=1, **SHORT_LIVES))
        auth, auth_url = stack.enter_context(system.extra_auth_service("auth2"))
        gateway, url = stack.enter_context(system.extra_gateway("gateway2", AUTH_URL=auth_url))
        yield Deployment(system, auth, gateway, url)
