"""Command-line options and exit statuses that the measurements share."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.load.install import Missing, install_tools
from tests.load.processes import NotServing, allow_many_files, end_as_by_ctrl_c


def read_options(parser: argparse.ArgumentParser, quick: str) -> argparse.Namespace:
    """Those of the parser, and how often, how long and where to. `quick` says what --quick leaves out besides."""
    parser.add_argument("--rounds", type=int, help="turns for each (5)")
    parser.add_argument("--seconds", type=int, help="length of a turn (2)")
    parser.add_argument("--quick", action="store_true", help=f"one round of a second, {quick}")
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="where the report goes (build/bench)")
    parser.add_argument("--write-docs", action="store_true", help="put tables and pictures into docs/ as well")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 2)
    return options


def carry_out(measurement: Callable[[argparse.Namespace], Sequence[str]], options: argparse.Namespace) -> int:
    """Exit status: 0; 1 where the measurement has problems, or cannot be made; 130 after Ctrl-C."""
    allow_many_files()
    end_as_by_ctrl_c()
    try:
        install_tools()
        problems = measurement(options)
    except KeyboardInterrupt:
        sys.stderr.write("stopped; everything that was started has been ended\n")
        return 130
    except (Missing, NotServing) as problem:
        problems = [str(problem)]
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0
