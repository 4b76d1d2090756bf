"""Play lives of simulated apps with the client for front ends (client/packages/client) in Node: `--lives 1000`.

The steps of a life are in client/packages/client/lifetimes/life.ts: tabs, restarts, power cuts while the storage is
written, lost and delayed answers, 503s, clock steps, expired tokens. Every request must end, nobody may be signed
out, and no note may be created twice.
"""

import argparse
import subprocess
import sys

from stack.plan import ROOT
from tests.system.support.running_stack import run_stack

CLIENT = ROOT / "client"
PLAYER = CLIENT / "packages/client/dist/lifetimes.js"
SETTINGS = {
    "DEVELOPMENT": "on",
    "SESSION_COOKIE_SECURE": "off",
    # Passwords are no part of this: with the default cost, hashing would take most of the time.
    "ARGON2_TIME_COST": "1",
    "ARGON2_MEMORY_COST": "8",
    "LOG_LEVEL": "ERROR",
    "ACCESS_LOG": "off",
}


def main() -> int:
    """Build the player, start a stack, and play. The exit status is 1 if anything happened that must not happen."""
    parser = argparse.ArgumentParser(prog="python -m tests.lifetimes.front_end")
    parser.add_argument("--lives", type=int, default=10_000, help="how many (10000)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first one (0)")
    parser.add_argument("--seed", type=int, default=1, help="the seed (1)")
    options = parser.parse_args()
    if not (CLIENT / "node_modules").exists():
        install = ["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(install, cwd=CLIENT, check=True)
    build = ["npm", "run", "--silent", "build:lifetimes", "-w", "@sallyport/client"]
    subprocess.run(build, cwd=CLIENT, check=True)
    with run_stack(**SETTINGS) as stack:
        numbers = [str(number) for number in (options.lives, options.first, options.seed)]
        return subprocess.run(["node", str(PLAYER), stack.url, *numbers], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
