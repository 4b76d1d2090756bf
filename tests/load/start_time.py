"""Measure how long the whole system takes to start, for one or more checkouts in turns.

`python -m tests.load.start_time [-n STARTS] [CHECKOUT ...]` starts `python -m stack` of each checkout (this one, if
none is given) with installed packages and migrated databases. It prints seconds until the stack is ready, and the CPU
seconds of all its processes until then. Each checkout needs its own `.venv`, or a link to one.
"""

import argparse
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from stack.plan import ROOT
from tests.ports import free_port
from tests.system.support.running_stack import READY, clean_environ, descendants

TICKS = os.sysconf("SC_CLK_TCK")


class Start(NamedTuple):
    """The cost of a start, in seconds."""

    wall: float
    cpu: float


def main() -> None:
    """Run the command in the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--starts", type=int, default=10, help="measured starts of each checkout (10)")
    parser.add_argument("checkouts", type=Path, nargs="*", default=[ROOT], metavar="CHECKOUT")
    arguments = parser.parse_args()
    checkouts: list[Path] = arguments.checkouts
    starts: dict[Path, list[Start]] = {checkout: [] for checkout in checkouts}
    with tempfile.TemporaryDirectory(prefix="starts-") as folder:
        data_dirs = {checkout: Path(folder) / str(number) for number, checkout in enumerate(checkouts)}
        for checkout in checkouts:
            measure_start(checkout, data_dirs[checkout])  # creates the secrets, migrates, compiles the modules
        for turn in range(arguments.starts):
            for checkout in checkouts if turn % 2 else reversed(checkouts):
                starts[checkout].append(measure_start(checkout, data_dirs[checkout]))
    for checkout, measured in starts.items():
        walls, cpus = [start.wall for start in measured], [start.cpu for start in measured]
        print(  # noqa: T201
            f"{checkout}: seconds: median {median(walls):.2f}, least {min(walls):.2f}; "
            f"CPU seconds: median {median(cpus):.2f}, least {min(cpus):.2f}"
        )


def measure_start(checkout: Path, data_dir: Path) -> Start:
    """Start the stack of `checkout` with `data_dir`, measure until it is ready, and stop it."""
    environ = {**clean_environ(), "DATA_DIR": str(data_dir), "GATEWAY_PORT": str(free_port())}
    command = [str((checkout / ".venv/bin/python").absolute()), "-m", "stack"]
    started = time.monotonic()
    with subprocess.Popen(command, cwd=checkout, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if not any(READY in line for line in process.stdout):
                raise SystemExit(f"the stack of {checkout} did not start")
            return Start(time.monotonic() - started, _cpu({process.pid, *descendants(process.pid)}))
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()


def _cpu(pids: set[int]) -> float:
    """Return the user and system seconds of the processes and of those of their children that have ended."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(ticks) for stat in fields for ticks in stat[11:15]) / TICKS  # utime to cstime in proc(5)


if __name__ == "__main__":
    main()
