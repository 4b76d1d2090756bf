"""Run wrk against a server for one turn, check every response, and measure the server's CPU time and memory."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.load.measuring.processes import NotServing, Process

SCRIPT = Path(__file__).with_name("turn.lua")
REQUEST_TIMEOUT = 10
"""Seconds after which wrk counts a request as failed."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server to measure: its URL, and its process if CPU and memory are measured."""

    name: str
    url: str
    process: Process | None

    def cpu(self) -> float:
        """Return its CPU time so far, in microseconds."""
        return self.process.cpu() if self.process else 0.0

    def memory(self) -> int:
        """Return its memory in bytes."""
        return self.process.memory() if self.process else 0

    def recent_output(self) -> str:
        """Return the end of its log."""
        return self.process.recent_output() if self.process else ""


@dataclass(frozen=True, slots=True)
class Run:
    """The result of a turn: requests/s, latencies in milliseconds, CPU in microseconds per request, memory in bytes.

    `wrong` counts wrong responses and failed requests; `problem` is one of them. `client_cpu` is the CPU time of wrk,
    without reading its files. `responses` is their number, of all turns together.
    """

    rate: float
    p50: float
    p99: float
    cpu: float
    memory: int
    wrong: int
    problem: str = ""
    client_cpu: float = 0.0
    responses: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of wrk: one thread, the number of connections, the length, and the arguments of turn.lua."""

    path: str
    connections: int
    seconds: int
    arguments: tuple[str, ...]


def take_turn(server: Server, turn: Turn) -> Run:
    """Run the turn and return its result. CPU time includes connecting. Raises NotServing."""
    try:
        before = server.cpu()
        output = subprocess.run(
            _command(server, turn), check=True, capture_output=True, text=True, timeout=turn.seconds + 60
        )
        cpu, memory = server.cpu() - before, server.memory()
    except (OSError, subprocess.SubprocessError) as error:
        raise NotServing(f"{server.name} did not finish its turn ({error}):\n{server.recent_output()}") from error
    result = json.loads(output.stdout.rpartition("\nTURN ")[2])
    responses = result["right"] + result["wrong"]
    return Run(
        rate=responses / result["seconds"],
        p50=result["p50"],
        p99=result["p99"],
        cpu=cpu / max(responses, 1),
        memory=memory,
        wrong=result["wrong"] + result["failed"] + (responses == 0),
        problem=result["problem"] or _failure(result["failed"], responses),
        client_cpu=result["cpu"] / max(responses, 1),
        responses=responses,
    )


def medians(runs: Sequence[Run]) -> Run:
    """Return the median of each figure and the largest memory; wrong responses are added up."""
    return Run(
        rate=median(run.rate for run in runs),
        p50=median(run.p50 for run in runs),
        p99=median(run.p99 for run in runs),
        cpu=median(run.cpu for run in runs),
        memory=max(run.memory for run in runs),
        wrong=sum(run.wrong for run in runs),
        problem=next((run.problem for run in runs if run.problem), ""),
        client_cpu=median(run.client_cpu for run in runs),
        responses=sum(run.responses for run in runs),
    )


def _failure(failed: int, responses: int) -> str:
    if failed:
        return f"{failed} requests failed"
    return "" if responses else "no responses"


def _command(server: Server, turn: Turn) -> list[str]:
    options = [
        "-t1",
        f"-c{turn.connections}",
        f"-d{turn.seconds}s",
        f"--timeout={REQUEST_TIMEOUT}s",
        f"--script={SCRIPT}",
    ]
    return ["wrk", *options, server.url + turn.path, "--", *turn.arguments]
