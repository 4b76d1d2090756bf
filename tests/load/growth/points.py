"""The measured points of a growth: the figures of a gateway at one size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tests.load.measuring.processes import cpu_of, memory_of
from tests.load.measuring.wrk import Run, Server, Turn, medians, take_turn


@dataclass(frozen=True, slots=True)
class Beside:
    """CPU time of the processes beside the gateway's workers, in microseconds a request."""

    client: float
    upstream: float
    redis: float
    master: float

    @property
    def total(self) -> float:
        """Return the CPU time of all of them."""
        return self.client + self.upstream + self.redis + self.master


@dataclass(frozen=True, slots=True)
class Sample:
    """The result of a turn. `busiest` is the CPU time of the busiest worker over the mean of all workers."""

    run: Run
    beside: Beside
    busiest: float


@dataclass(frozen=True, slots=True)
class Point:
    """A size and its medians. `problem`: a wrong response, or why there are no medians.

    `master_memory` is the memory of gunicorn's master, in bytes; shared pages count proportionally.
    """

    size: int
    run: Run | None
    problem: str = ""
    beside: Beside | None = None
    busiest: float = 1.0
    master_memory: int = 0


@dataclass(frozen=True, slots=True)
class Gateway:
    """A measured gateway, and the process ids of its upstream and its Redis."""

    server: Server
    upstream: Sequence[int]
    redis: Sequence[int]

    def sample(self, turn: Turn) -> Sample:
        """Run a turn and return its result. Raises NotServing."""
        before = self._cpu()
        run = take_turn(self.server, turn)
        after = self._cpu()
        used = {name: after[name] - before[name] for name in after}
        workers = [used[str(pid)] for pid in self._workers()]
        responses = max(run.responses, 1)
        beside = Beside(
            run.client_cpu, used["upstream"] / responses, used["redis"] / responses, used["master"] / responses
        )
        return Sample(run, beside, max(workers) * len(workers) / max(sum(workers), 1))

    def point(self, size: int, samples: Sequence[Sample]) -> Point:
        """Return the medians of these samples."""
        runs = [sample.run for sample in samples]
        return Point(
            size,
            medians(runs),
            next((run.problem for run in runs if run.wrong), ""),
            _median_beside([sample.beside for sample in samples]),
            median(sample.busiest for sample in samples),
            memory_of(self._master()),
        )

    def _cpu(self) -> Mapping[str, float]:
        """Return the CPU time so far of each worker, by its process id, and of the others, by their names."""
        pids: dict[str, Sequence[int]] = {str(pid): (pid,) for pid in self._workers()}
        pids |= {"upstream": self.upstream, "redis": self.redis, "master": self._master()}
        return {name: cpu_of(of) for name, of in pids.items()}

    def _workers(self) -> Sequence[int]:
        return self.server.process.workers() if self.server.process else ()

    def _master(self) -> Sequence[int]:
        return (self.server.process.pid,) if self.server.process else ()


def _median_beside(all_: Sequence[Beside]) -> Beside:
    return Beside(
        median(beside.client for beside in all_),
        median(beside.upstream for beside in all_),
        median(beside.redis for beside in all_),
        median(beside.master for beside in all_),
    )
