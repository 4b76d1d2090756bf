"""`make lifetimes`: play the lives of simulated apps with each client against a running stack.

Exit status: 0 if everything held, 1 if a life had a problem, 2 if Node is missing. The command that plays a life with
a problem again is printed.
"""

import argparse
import shutil
import sys
from collections.abc import Callable, Mapping

from tests.lifetimes import front_end, python_client
from tests.lifetimes.scenario import Selection

PLAYERS: Mapping[str, Callable[[Selection], bool]] = {
    "python": python_client.play_selected,
    "front-end": front_end.play_selected,
}


def main() -> int:
    """Play the lives and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.lifetimes", description=__doc__)
    parser.add_argument("--client", choices=PLAYERS, help="sallyport-client or @sallyport/client; both by default")
    parser.add_argument("--lives", type=int, default=10_000, help="how many lives of each client (10000)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first one (0)")
    parser.add_argument("--seed", type=int, default=1, help="the seed of all lives (1)")
    options = parser.parse_args()
    clients = [options.client] if options.client else list(PLAYERS)
    if "front-end" in clients and not (shutil.which("node") and shutil.which("npm")):
        sys.stderr.write("needs Node 20 or newer with npm; `make lifetimes CLIENT=python` plays without it\n")
        return 2
    held = True
    for client in clients:
        sys.stdout.write(f"{client}: {options.lives} lives, seed {options.seed}\n")
        sys.stdout.flush()
        held = PLAYERS[client](Selection(options.lives, options.first, options.seed)) and held
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
