"""`make bench-growth`: measure the cost of a request while one quantity grows, such as the number of routes.

Each size has its own gateway; the request is the same: a valid token, 32 connections. Only the number of workers is
measured with the mix of an application. Exit status: 1 for a wrong response or a server that did not start, 130 after
Ctrl-C.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from redis import Redis

from tests.load.growth.growths import GROWTHS, Growth, Inputs
from tests.load.growth.points import Gateway, Point, Sample
from tests.load.growth.report import write_growth
from tests.load.measuring.command import read_options, run_measurement
from tests.load.measuring.processes import NotServing, Processes
from tests.load.measuring.progress import Progress
from tests.load.measuring.servers import private_redis, start_backend
from tests.load.measuring.supplies import make_supplies
from tests.load.measuring.tokens import Signer
from tests.load.measuring.workloads import QUICK_UPSTREAM


def report_on(options: argparse.Namespace) -> list[str]:
    """Measure, print a table and draw a chart for each growth. Return the problems."""
    results = measure([growth for growth in GROWTHS if growth.name in options.grow], options)
    sys.stdout.write(
        write_growth(results, options.out, options.rounds, options.seconds, into_docs=options.write_docs)
    )
    points = [(growth, point) for growth, measured in results for point in measured]
    return [f"{growth.title}, {point.size:,}: {point.problem}" for growth, point in points if point.problem]


def measure(growths: Sequence[Growth], options: argparse.Namespace) -> list[tuple[Growth, list[Point]]]:
    """Return each growth with its measured points."""
    sizes = {growth.name: growth.sizes[: 3 if options.quick else None] for growth in growths}
    progress = Progress(options.rounds * sum(map(len, sizes.values())))
    with tempfile.TemporaryDirectory(prefix="growth-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's workers read in it as another user
        signer = Signer()
        inputs = Inputs(folder, signer, make_supplies(folder, signer, rounds=1, many=1, turn=1))
        return [
            (growth, [_point(growth, size, inputs, options, progress) for size in sizes[growth.name]])
            for growth in growths
        ]


def _point(growth: Growth, size: int, inputs: Inputs, options: argparse.Namespace, progress: Progress) -> Point:
    """Measure one size. A gateway that fails at this size is a result too: the other sizes are still measured."""
    try:
        with private_redis(inputs.folder) as redis_url, Processes(inputs.folder) as processes:
            setup, upstream = start_backend(processes, inputs.folder, inputs.signer, redis_url, QUICK_UPSTREAM)
            with growth.start(inputs, processes, setup, size) as (server, turn):
                gateway = Gateway(server, upstream.workers(), (_redis_process(redis_url),))
                samples: list[Sample] = []
                for number in range(options.rounds):
                    progress.begin_turn(f"{growth.title}, {size:,}, round {number + 1} of {options.rounds}")
                    samples.append(gateway.sample(turn(number, options.seconds)))
                return gateway.point(size, samples)
    except NotServing as problem:
        return Point(size, None, str(problem).splitlines()[0])


def _redis_process(url: str) -> int:
    """Return the process id of the Redis server."""
    with Redis.from_url(url) as redis:
        return int(redis.info("server")["process_id"])


def _options() -> argparse.Namespace:
    names = [growth.name for growth in GROWTHS]
    parser = argparse.ArgumentParser(prog="python -m tests.load.growth", description=__doc__)
    parser.add_argument("--grow", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    return read_options(parser, "of the three smallest sizes")


if __name__ == "__main__":
    sys.exit(run_measurement(report_on, _options()))
