"""HAProxy with `gateway edge sync`, in front of a running stack."""

import dataclasses
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from stack.plan import ROOT
from tests.ports import free_port
from tests.system.support.running_stack import RunningStack, end

HAPROXY = shutil.which("haproxy", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))


BEHIND_EDGE = bool(os.environ.get("SALLYPORT_TEST_EDGE"))
"""Whether the shared stack of the system tests is reached through an edge (`make test-edge`)."""

EDGE_SETTINGS = {"TRUSTED_PROXIES": "127.0.0.1", "DEVELOPMENT": "off"}
"""Settings of a gateway behind an edge on the same host."""


@dataclass(slots=True)
class RunningEdge:
    """The processes of an edge. `environ` is the environment of the gateway behind it."""

    url: str
    folder: Path
    environ: Mapping[str, str]
    haproxy: subprocess.Popen[bytes]
    sync: subprocess.Popen[bytes]

    def start_sync(self) -> None:
        """Start `gateway edge sync` again."""
        self.sync = _start_sync(self.folder, self.environ)

    def command(self, text: str) -> str:
        """Return the response of HAProxy's runtime socket to a command."""
        return _ask(self.folder / "haproxy.sock", text)

    def reload(self) -> None:
        """Make HAProxy reload its configuration, and wait until a new process decides requests."""
        before = self.pid()
        _ask(self.folder / "master.sock", "reload")
        wait_until(lambda: self.pid() != before)
        wait_until(self.is_current)

    def pid(self) -> str:
        """Return the process id of the worker; empty while there is none."""
        lines = self.command("show info").splitlines()
        return next((line for line in lines if line.startswith("Pid:")), "")

    def is_current(self) -> bool:
        """Return whether HAProxy decides requests: `valid_until` lies ahead."""
        _, _, until = self.command(f"show map {self.folder}/state.map").strip().rpartition(" ")
        return until.isdigit() and int(until) > time.time()

    def log(self) -> str:
        """Return what HAProxy has logged: a line for each request that the edge has decided."""
        return (self.folder / "haproxy.log").read_text("utf-8", "replace")


@contextmanager
def run_edge(stack: RunningStack, folder: Path, *options: str) -> Iterator[RunningEdge]:
    """Run an edge in front of `stack`, and yield it when it decides requests."""
    environ = gateway_environ(stack)
    port = free_port()
    arguments = ["--folder", folder, "--bind", f"127.0.0.1:{port}", *options]
    subprocess.run(_gateway_command("edge", "haproxy", *arguments), cwd=ROOT, env=environ, check=True, timeout=60)
    with (folder / "haproxy.log").open("wb") as log:
        command = [str(HAPROXY), "-dMglobal", "-W", "-S", str(folder / "master.sock"), "-f", str(folder)]
        haproxy = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    edge = RunningEdge(f"http://127.0.0.1:{port}", folder, environ, haproxy, _start_sync(folder, environ))
    try:
        wait_until(edge.is_current)
        yield edge
    finally:
        end(edge.sync)
        end(edge.haproxy)


@contextmanager
def reached(stack: RunningStack, folder: Path) -> Iterator[RunningStack]:
    """Yield the stack as the tests reach it: through an edge with SALLYPORT_TEST_EDGE, otherwise directly."""
    if not BEHIND_EDGE:
        yield stack
        return
    if HAPROXY is None:
        pytest.skip("HAProxy is not installed")
    with run_edge(stack, folder) as edge:
        yield dataclasses.replace(stack, url=edge.url)


def gateway_environ(stack: RunningStack) -> dict[str, str]:
    """Return the environment of the gateway's process."""
    variables = Path(f"/proc/{min(stack.pids('gateway'))}/environ").read_text().split("\0")
    return dict(variable.split("=", 1) for variable in variables if "=" in variable)


def wait_until(condition: object, seconds: float = 60.0) -> None:
    """Wait until `condition()` is true. An OSError counts as false."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except OSError:
            pass
        assert time.monotonic() < deadline, condition
        time.sleep(0.02)


def _start_sync(folder: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with (folder / "sync.log").open("ab") as log:
        command = _gateway_command("edge", "sync", "--folder", folder)
        return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=log, stderr=subprocess.STDOUT)


def _gateway_command(*words: object) -> list[str]:
    return [sys.executable, "-m", "gateway", *map(str, words)]


def _ask(path: Path, command: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        connection.sendall(f"{command}\n".encode())
        return b"".join(iter(lambda: connection.recv(65_536), b"")).decode()
