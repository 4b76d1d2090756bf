"""The scaling of the gateway over workers: its CPU time a request, and a model of the rate on more cores."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.load.growth.points import Beside, Point
from tests.load.measuring.wrk import Run

CORES = (1, 2, 4, 8, 16)
MICROSECONDS = 1_000_000
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time of a request in microseconds: in the gateway's workers, and in everything else."""

    gateway: float
    beside: Beside

    @property
    def total(self) -> float:
        """Return the CPU time of a request in all processes."""
        return self.gateway + self.beside.total

    def rate(self, cores: int) -> float:
        """Return the requests/s of a gateway with this many cores, with the client and the upstream elsewhere."""
        return cores * MICROSECONDS / self.gateway

    def rate_of_shared_cores(self, cores: int) -> float:
        """Return the requests/s of this many cores that also run the client, the upstream and Redis."""
        return cores * MICROSECONDS / self.total


def scaling_lines(points: Sequence[Point], cores: int) -> list[str]:
    """Return the tables of a machine with this many cores, as Markdown: the cost by workers, and the model."""
    measured = [(point, point.run, point.beside) for point in points if point.run and point.beside]
    if not measured:
        return []
    highest = max((Cost(run.cpu, beside) for _, run, beside in measured), key=lambda cost: cost.gateway)
    return [
        "CPU time of a request in microseconds. The busiest worker is compared with the mean of all workers. The "
        f"last column is the measured rate over that of the model: {cores} cores that run all these processes.",
        "",
        "| workers | gateway | client | upstream | Redis | master | busiest worker | of the model |",
        "|---|---|---|---|---|---|---|---|",
        *(_cost_line(point, run, beside, cores) for point, run, beside in measured),
        "",
        "| workers | memory a worker, MiB | memory of the master, MiB |",
        "|---|---|---|",
        *(
            f"| {point.size} | {run.memory / point.size / _MIB:,.1f} | {point.master_memory / _MIB:,.1f} |"
            for point, run, _ in measured
        ),
        "",
        f"The model: N cores with a worker each serve N x 1,000,000 / {highest.gateway:,.0f} requests/s, by the "
        "highest CPU time above, with all cores busy and connections spread evenly.",
        "",
        "| cores | requests/s, gateway alone | requests/s, with client, upstream and Redis on the same cores |",
        "|---|---|---|",
        *(f"| {n} | {highest.rate(n):,.0f} | {highest.rate_of_shared_cores(n):,.0f} |" for n in CORES),
    ]


def _cost_line(point: Point, run: Run, beside: Beside, cores: int) -> str:
    modelled = _modelled_rate(Cost(run.cpu, beside), point.size, cores)
    return (
        f"| {point.size} | {run.cpu:,.1f} | {beside.client:,.1f} | {beside.upstream:,.1f} | {beside.redis:,.1f} "
        f"| {beside.master:,.1f} | {point.busiest:.2f} x | {run.rate / modelled:.0%} |"
    )


def _modelled_rate(cost: Cost, workers: int, cores: int) -> float:
    """Return the requests/s of all processes on these cores. A worker uses one core at most."""
    return min(cost.rate(workers), cost.rate_of_shared_cores(cores))
