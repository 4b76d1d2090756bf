"""Sallyport's edge: HAProxy with the configuration of `gateway edge haproxy`, with its access log, and a gateway."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from stack.plan import ROOT
from tests.load.measuring.processes import NotServing, Process, Processes
from tests.load.peers import haproxy, sallyport
from tests.load.peers.setup import PeerSetup
from tests.ports import free_port

READY_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class EdgeProcess(Process):
    """HAProxy, with the gateway behind it: the work of both counts."""

    gateway: Process

    def workers(self) -> tuple[int, ...]:
        """Return the process ids of the workers of both."""
        return *Process.workers(self), *self.gateway.workers()


def unavailable() -> str:
    """Return why it cannot run here; empty if it can."""
    return haproxy.unavailable()


def start(processes: Processes, setup: PeerSetup, port: int) -> Process:
    """Start HAProxy with one thread, a gateway with one worker, and `gateway edge sync`. Raises NotServing."""
    gateway_port, folder = free_port(), setup.folder / f"edge-{port}"
    gateway = sallyport.start_with(
        processes, setup, gateway_port, sallyport.ROUTES, ROOT, TRUSTED_PROXIES="127.0.0.1", DEVELOPMENT="off"
    )
    environ = {
        "AUTH_URL": f"http://127.0.0.1:{setup.keys}",
        "RESOURCE_URL": setup.upstream_url,
        "REDIS_URL": setup.redis_url,
        "PEER_SECRET": os.urandom(32).hex(),
        "DATA_DIR": str(setup.folder),
        "GATEWAY_ROUTES": str(setup.folder / f"routes-{gateway_port}.toml"),
    }
    command = [sys.executable, "-m", "gateway", "edge"]
    addresses = ["--bind", f"127.0.0.1:{port}", "--gateway", f"127.0.0.1:{gateway_port}"]
    subprocess.run(
        [*command, "haproxy", "--folder", str(folder), *addresses, "--threads", "1"],
        cwd=ROOT,
        env={**os.environ, **environ},
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=READY_SECONDS,
    )
    master = ["haproxy", "-dMglobal", "-W", "-S", str(folder / "master.sock"), "-f", str(folder)]
    server = processes.start(f"edge-{port}", master)
    sync = processes.start(f"edge-sync-{port}", [*command, "sync", "--folder", str(folder)], **environ)
    deadline = time.monotonic() + READY_SECONDS
    while "edge_synchronized" not in sync.recent_output():
        if time.monotonic() > deadline:
            raise NotServing(f"gateway edge sync:\n{sync.recent_output()}")
        time.sleep(0.1)
    return EdgeProcess(server.name, server.pid, server.log, gateway)
