"""`make bench-growth`: measure the cost of a request as one quantity grows.

Each size has its own gateway; the request is the same: a valid token, 32 connections. Exit status: 1 for a wrong
response or a server that did not start, 130 after Ctrl-C.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.load.command import carry_out, read_options
from tests.load.contest import Progress, a_redis, lay_ground
from tests.load.growing import GROWTHS, Growth, Setting
from tests.load.growth_report import Point, write_growth
from tests.load.peers.ground import Ground
from tests.load.processes import NotServing, Processes
from tests.load.tokens import Signer
from tests.load.workloads import QUICK_UPSTREAM, make_supplies
from tests.load.wrk import Run, medians, take_turn


def report_on(options: argparse.Namespace) -> list[str]:
    """Measure, print a table and draw a chart for each growth. Return the problems."""
    grown = measure([growth for growth in GROWTHS if growth.name in options.grow], options)
    sys.stdout.write(write_growth(grown, options.out, options.rounds, options.seconds, into_docs=options.write_docs))
    points = [(growth, point) for growth, of in grown for point in of]
    return [f"{growth.title}, {point.size:,}: {point.problem}" for growth, point in points if point.problem]


def measure(growths: Sequence[Growth], options: argparse.Namespace) -> list[tuple[Growth, list[Point]]]:
    """Return each growth with its measured points."""
    sizes = {growth.name: growth.sizes[: 3 if options.quick else None] for growth in growths}
    progress = Progress(options.rounds * sum(map(len, sizes.values())))
    with tempfile.TemporaryDirectory(prefix="growth-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's workers read in it as another user
        signer = Signer()
        setting = Setting(folder, signer, make_supplies(folder, signer, rounds=1, many=1, turn=1))
        return [
            (growth, [_point(growth, size, setting, options, progress) for size in sizes[growth.name]])
            for growth in growths
        ]


def _point(growth: Growth, size: int, setting: Setting, options: argparse.Namespace, progress: Progress) -> Point:
    """Measure one size. A gateway that fails at this size is a result too: the other sizes are still measured."""
    try:
        with (
            a_redis(setting.folder) as redis_url,
            Processes(setting.folder) as processes,
            growth.grown(setting, processes, _ground(setting, processes, redis_url), size) as (server, turn),
        ):
            runs: list[Run] = []
            for number in range(options.rounds):
                progress.say(f"{growth.title}, {size:,}, round {number + 1} of {options.rounds}")
                runs.append(take_turn(server, turn(number, options.seconds)))
    except NotServing as problem:
        return Point(size, None, str(problem).splitlines()[0])
    return Point(size, medians(runs), next((run.oddity for run in runs if run.wrong), ""))


def _ground(setting: Setting, processes: Processes, redis_url: str) -> Ground:
    return lay_ground(processes, setting.folder, setting.signer, redis_url, QUICK_UPSTREAM)


def _options() -> argparse.Namespace:
    names = [growth.name for growth in GROWTHS]
    parser = argparse.ArgumentParser(prog="python -m tests.load.growth", description=__doc__)
    parser.add_argument("--grow", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    return read_options(parser, "of the three smallest sizes")


if __name__ == "__main__":
    sys.exit(carry_out(report_on, _options()))
