"""Command-line options and exit statuses that the measurements share."""

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from stack.plan import ROOT
from tests.load.measuring.processes import NotServing, allow_many_files, end_as_by_ctrl_c
from tests.load.measuring.tools import Missing, install_tools


def read_options(parser: argparse.ArgumentParser, quick: str) -> argparse.Namespace:
    """Add the common options and parse the command line. `quick` is the second half of the help text of --quick."""
    parser.add_argument("--rounds", type=int, help="turns of each server (5)")
    parser.add_argument("--seconds", type=int, help="seconds of a turn (2)")
    parser.add_argument("--quick", action="store_true", help=f"one round of a second, {quick}")
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="folder of the report (build/bench)")
    parser.add_argument("--write-docs", action="store_true", help="also write the tables and charts to docs/")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 2)
    return options


def run_measurement(measurement: Callable[[argparse.Namespace], Sequence[str]], options: argparse.Namespace) -> int:
    """Run the measurement and return the exit status: 0, 1 for problems, 130 after Ctrl-C."""
    allow_many_files()
    end_as_by_ctrl_c()
    try:
        install_tools()
        _compile_gateway()
        problems = measurement(options)
    except KeyboardInterrupt:
        sys.stderr.write("stopped; everything that was started has been ended\n")
        return 130
    except (Missing, NotServing) as problem:
        problems = [str(problem)]
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


def _compile_gateway() -> None:
    """Compile the gateway if it is not compiled, or if its sources have changed. Raises Missing."""
    if subprocess.run([sys.executable, "-m", "compilation"], cwd=ROOT, check=False).returncode != 0:
        raise Missing("the gateway was not compiled; its figures are those of the compiled one")
