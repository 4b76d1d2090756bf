"""Start the fastify gateway in the folder fastify/."""

import shutil
import subprocess
from functools import cache, partial
from pathlib import Path

from tests.load.measuring.processes import Process, Processes
from tests.load.peers.setup import PeerSetup

FOLDER = Path(__file__).with_name("fastify")


def unavailable() -> str:
    """Return why it cannot run here; empty if it can. Installs the packages of package-lock.json."""
    if not (shutil.which("node") and shutil.which("npm")):
        return "node and npm are not installed"
    return _install()


def start(processes: Processes, setup: PeerSetup, port: int, *, cached: bool) -> Process:
    """Start one process. `cached`: it caches verified tokens and does not check revocation."""
    public = setup.write("public.pem", setup.public_pem)
    return processes.start(
        f"fastify-{port}",
        ["node", str(FOLDER / "gateway.js")],
        NODE_ENV="production",
        PORT=str(port),
        PUBLIC_KEY=str(public),
        UPSTREAM=setup.upstream_url,
        REDIS=setup.redis_url.removeprefix("unix://"),
        CACHED="yes" if cached else "",
    )


start_checking = partial(start, cached=False)
start_cached = partial(start, cached=True)


@cache
def _install() -> str:
    wanted, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime > wanted.stat().st_mtime:
        return ""
    done = subprocess.run(
        ["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else "`npm ci` failed: " + " ".join(done.stderr.split())[:200]
