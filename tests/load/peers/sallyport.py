"""Sallyport's gateway with its defaults: access log, metrics and limits on; usually one worker."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from stack.plan import ROOT
from tests.load.peers.ground import Ground
from tests.load.processes import Process, Processes

ROUTES = """
[upstreams.auth]
urls = ["${AUTH_URL}"]

[upstreams.notes]
urls = ["${RESOURCE_URL}"]
identity_secret_file = "notes.secret"

[[routes]]
prefix = "/api/"
upstream = "notes"
access = "authenticated"
"""


def lacks() -> str:
    """Return an empty string: it can always run."""
    return ""


def start(processes: Processes, ground: Ground, port: int) -> Process:
    """Start it with one worker."""
    return start_with(processes, ground, port, ROUTES)


def start_from(root: Path) -> Callable[[Processes, Ground, int], Process]:
    """Return a function that starts one worker of the checkout in `root`, with this run's packages."""
    return lambda processes, ground, port: start_with(processes, ground, port, ROUTES, root)


def start_with(
    processes: Processes, ground: Ground, port: int, routes: str, root: Path = ROOT, /, **settings: str
) -> Process:
    """Start a gateway of the checkout in `root` with these routes and settings."""
    ground.write("notes.secret", os.urandom(32).hex())
    environ = {
        "AUTH_URL": f"http://127.0.0.1:{ground.keys}",
        "RESOURCE_URL": ground.upstream_url,
        "REDIS_URL": ground.redis_url,
        "PEER_SECRET": os.urandom(32).hex(),
        "DATA_DIR": str(ground.folder),
        "GATEWAY_ROUTES": str(ground.write(f"routes-{port}.toml", routes)),
        "GATEWAY_BIND": f"127.0.0.1:{port}",
        "GATEWAY_INTERNAL_BIND": f"unix:{ground.folder}/internal-{port}.sock",
        "GATEWAY_WORKERS": "1",
        "GATEWAY_NOTICE": "0",
        **settings,
    }
    words = [sys.executable, "-m", "gunicorn", "-c", "python:gateway.gunicorn_conf"]
    return processes.start(f"sallyport-{port}", words, root, **environ)
