"""Play lives of simulated apps with the client for front ends (client/packages/client) in Node.

The steps of a life are in client/packages/client/lifetimes/life.ts: tabs, restarts, power cuts while the storage is
written, lost and delayed answers, 503s, clock steps, expired tokens. Every request must end, nobody may be signed
out, and no note may be created twice.
"""

import subprocess

from stack.plan import ROOT
from tests.lifetimes.scenario import STACK_SETTINGS, Selection
from tests.system.support.running_stack import run_stack

CLIENT = ROOT / "client"
PLAYER = CLIENT / "packages/client/build/lifetimes.js"
SETTINGS = {**STACK_SETTINGS, "SESSION_COOKIE_SECURE": "off"}


def play_selected(selected: Selection) -> bool:
    """Build the player, start a stack, and play. Return whether nothing happened that must not happen."""
    if not (CLIENT / "node_modules").exists():
        install = ["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(install, cwd=CLIENT, check=True)
    build = ["npm", "run", "--silent", "build:lifetimes", "-w", "@sallyport/client"]
    subprocess.run(build, cwd=CLIENT, check=True)
    with run_stack(**SETTINGS) as stack:
        numbers = [str(number) for number in (selected.count, selected.first, selected.seed)]
        return subprocess.run(["node", str(PLAYER), stack.url, *numbers], check=False).returncode == 0
