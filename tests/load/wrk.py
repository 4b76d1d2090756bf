"""Has wrk ask a server for one turn, checks every answer, and measures what the server spent on it."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.load.processes import NotServing, Process

SCRIPT = Path(__file__).with_name("turn.lua")
PATIENCE = 10
"""Seconds after which wrk counts a request as failed."""


@dataclass(frozen=True, slots=True)
class Server:
    """Something to measure: what answers at `url`, and as which process, where that is of interest."""

    name: str
    url: str
    process: Process | None

    def cpu(self) -> float:
        """Microseconds that it has worked so far."""
        return self.process.cpu() if self.process else 0.0

    def memory(self) -> int:
        """Bytes that it holds."""
        return self.process.memory() if self.process else 0

    def last_words(self) -> str:
        """The end of its log."""
        return self.process.last_words() if self.process else ""


@dataclass(frozen=True, slots=True)
class Run:
    """One turn: requests a second, latencies in milliseconds, CPU in microseconds a request, memory in bytes.

    `wrong` counts answers that were not as they should be and requests that failed; `oddity` is one of them.
    """

    rate: float
    p50: float
    p99: float
    cpu: float
    memory: int
    wrong: int
    oddity: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """What wrk is to do: one thread, so many connections, the words for its script."""

    path: str
    connections: int
    seconds: int
    words: tuple[str, ...]


def take_turn(server: Server, turn: Turn) -> Run:
    """What came of it. The server's CPU time is that of the whole turn, connecting included."""
    try:
        before = server.cpu()
        said = subprocess.run(
            _command(server, turn), check=True, capture_output=True, text=True, timeout=turn.seconds + 60
        )
        spent, memory = server.cpu() - before, server.memory()
    except (OSError, subprocess.SubprocessError) as error:
        raise NotServing(f"{server.name} did not get through its turn ({error}):\n{server.last_words()}") from error
    told = json.loads(said.stdout.rpartition("\nTURN ")[2])
    answers = told["right"] + told["wrong"]
    return Run(
        rate=answers / told["seconds"],
        p50=told["p50"],
        p99=told["p99"],
        cpu=spent / max(answers, 1),
        memory=memory,
        wrong=told["wrong"] + told["failed"] + (answers == 0),
        oddity=told["oddity"] or _failure(told["failed"], answers),
    )


def medians(runs: Sequence[Run]) -> Run:
    """The median of each figure, the largest memory; wrong answers are added up."""
    return Run(
        rate=median(run.rate for run in runs),
        p50=median(run.p50 for run in runs),
        p99=median(run.p99 for run in runs),
        cpu=median(run.cpu for run in runs),
        memory=max(run.memory for run in runs),
        wrong=sum(run.wrong for run in runs),
        oddity=next((run.oddity for run in runs if run.oddity), ""),
    )


def _failure(failed: int, answers: int) -> str:
    if failed:
        return f"{failed} requests failed"
    return "" if answers else "no answer came"


def _command(server: Server, turn: Turn) -> list[str]:
    options = ["-t1", f"-c{turn.connections}", f"-d{turn.seconds}s", f"--timeout={PATIENCE}s", f"--script={SCRIPT}"]
    return ["wrk", *options, server.url + turn.path, "--", *turn.words]
