"""Measure all servers in turns with the same work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from tests.load.measuring.processes import NotServing, Processes
from tests.load.measuring.progress import Progress
from tests.load.measuring.servers import private_redis, start_backend, start_server, wait_for_expected_response
from tests.load.measuring.supplies import Supplies
from tests.load.measuring.tokens import Signer
from tests.load.measuring.workloads import DIRECT, Workload
from tests.load.measuring.wrk import Run, Server, take_turn
from tests.load.peers import PLAIN, SALLYPORT, Peer
from tests.load.peers.setup import PeerSetup

NEEDED = (PLAIN, SALLYPORT)
"""A comparison fails if one of these does not start."""


@dataclass(frozen=True, slots=True)
class Comparison:
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
"""The runs by workload and server."""


def compare(
    comparison: Comparison, workloads: Sequence[Workload], supplies: Supplies, signer: Signer, progress: Progress
) -> Runs:
    """Start the servers, measure every workload, and stop the servers. Raises NotServing."""
    runs: dict[str, Mapping[str, Sequence[Run]]] = {}
    with private_redis(supplies.folder) as redis_url:
        for upstream, with_upstream in groupby(workloads, lambda workload: workload.upstream):
            with Processes(supplies.folder) as processes:
                setup, upstream_process = start_backend(processes, supplies.folder, signer, redis_url, upstream)
                group = tuple(with_upstream)
                names = {name for workload in group for name in workload.servers}
                servers = {DIRECT: Server(DIRECT, setup.upstream_url, upstream_process)}
                servers |= _start(comparison, processes, setup, supplies, names)
                for workload in group:
                    runs[workload.name] = _measure(comparison, workload, supplies, servers, progress)
                    supplies.remove_requests()
    return runs


def _start(
    comparison: Comparison, processes: Processes, setup: PeerSetup, supplies: Supplies, names: set[str]
) -> dict[str, Server]:
    servers: dict[str, Server] = {}
    for peer in comparison.peers:
        if peer.name in names:
            try:
                server = start_server(peer.name, peer.start, processes, setup)
                wait_for_expected_response(server, supplies)
            except NotServing as problem:
                if peer.name in NEEDED:
                    raise
                comparison.left_out[peer.name] = " ".join(str(problem).split())[:200]
            else:
                servers[peer.name] = server
    return servers


def _measure(
    comparison: Comparison, workload: Workload, supplies: Supplies, servers: Mapping[str, Server], progress: Progress
) -> Mapping[str, Sequence[Run]]:
    measured = [servers[name] for name in workload.servers if name in servers]
    if workload.warm:
        for server in measured:
            if server.name in workload.warmed:
                take_turn(server, workload.warming(supplies))
    runs: dict[str, list[Run]] = {server.name: [] for server in measured}
    for number in range(comparison.rounds):
        for server in measured:
            progress.begin_turn(f"{workload.title}, round {number + 1} of {comparison.rounds}: {server.name}")
            runs[server.name].append(
                take_turn(server, workload.turn(supplies, number, comparison.seconds, server.name))
            )
    return runs
