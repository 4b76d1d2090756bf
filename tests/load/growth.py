"""`make bench-growth`: what a request costs at the gateway as something else grows.

For each size a gateway of its own is started, and the same request measured: a valid token, 32 connections. Exit
status: 1 where an answer was wrong or a server did not serve, 130 after Ctrl-C.
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


def report_on(asked: argparse.Namespace) -> list[str]:
    """Measures, prints a table for each growth, draws a chart for each. Returns what was wrong."""
    grown = measure([growth for growth in GROWTHS if growth.name in asked.grow], asked)
    sys.stdout.write(write_growth(grown, asked.out, asked.rounds, asked.seconds, into_docs=asked.write_docs))
    points = [(growth, point) for growth, of in grown for point in of]
    return [f"{growth.title}, {point.size:,}: {point.problem}" for growth, point in points if point.problem]


def measure(growths: Sequence[Growth], asked: argparse.Namespace) -> list[tuple[Growth, list[Point]]]:
    """Each growth with its points."""
    sizes = {growth.name: growth.sizes[: 3 if asked.quick else None] for growth in growths}
    progress = Progress(asked.rounds * sum(map(len, sizes.values())))
    with tempfile.TemporaryDirectory(prefix="growth-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's workers read in it as another user
        signer = Signer()
        setting = Setting(folder, signer, make_supplies(folder, signer, rounds=1, many=1, turn=1))
        return [
            (growth, [_point(growth, size, setting, asked, progress) for size in sizes[growth.name]])
            for growth in growths
        ]


def _point(growth: Growth, size: int, setting: Setting, asked: argparse.Namespace, progress: Progress) -> Point:
    """A gateway that does not bear the size is a result too: the others are measured all the same."""
    try:
        with (
            a_redis(setting.folder) as redis_url,
            Processes(setting.folder) as processes,
            growth.grown(setting, processes, _ground(setting, processes, redis_url), size) as (server, turn),
        ):
            runs: list[Run] = []
            for number in range(asked.rounds):
                progress.say(f"{growth.title}, {size:,}, round {number + 1} of {asked.rounds}")
                runs.append(take_turn(server, turn(number, asked.seconds)))
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
