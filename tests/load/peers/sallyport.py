"""Sallyport's gateway with its defaults: access log, metrics and limits on; one worker; compiled."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from compilation.copy import COPY, environ_of
from stack.plan import ROOT
from tests.load.measuring.processes import Process, Processes
from tests.load.peers.setup import PeerSetup

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


def unavailable() -> str:
    """Return an empty string: it can always run."""
    return ""


def start(processes: Processes, setup: PeerSetup, port: int) -> Process:
    """Start it with one worker."""
    return start_with(processes, setup, port, ROUTES)


def start_uncounted(processes: Processes, setup: PeerSetup, port: int) -> Process:
    """Start it without an address for metrics, so that it counts no requests."""
    return start_with(processes, setup, port, ROUTES, GATEWAY_INTERNAL_BIND="")


def start_unobserved(processes: Processes, setup: PeerSetup, port: int) -> Process:
    """Start it without metrics and without an access log."""
    return start_with(processes, setup, port, ROUTES, GATEWAY_INTERNAL_BIND="", ACCESS_LOG="off")


def start_traced(processes: Processes, setup: PeerSetup, port: int) -> Process:
    """Start it with traces of one in a hundred requests. The upstream, which answers 200, is the collector."""
    sampler = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
    collector = {"OTEL_EXPORTER_OTLP_ENDPOINT": setup.upstream_url}
    return start_with(processes, setup, port, ROUTES, ROOT, **sampler, **collector)


def start_interpreted(processes: Processes, setup: PeerSetup, port: int) -> Process:
    """Start it with one worker, from the sources."""
    return start_with(processes, setup, port, ROUTES, GATEWAY_COMPILED="off")


def start_from(root: Path) -> Callable[[Processes, PeerSetup, int], Process]:
    """Return a function that starts one worker of the checkout in `root`, with this run's packages.

    The gateway is compiled if that checkout has a compiled copy.
    """
    return lambda processes, setup, port: start_with(processes, setup, port, ROUTES, root)


def start_with(
    processes: Processes, setup: PeerSetup, port: int, routes: str, root: Path = ROOT, /, **settings: str
) -> Process:
    """Start a gateway of the checkout in `root` with these routes and settings."""
    copy = root / COPY.relative_to(ROOT)
    is_compiled = copy.exists() and settings.pop("GATEWAY_COMPILED", "on") == "on"
    setup.write("notes.secret", os.urandom(32).hex())
    environ = {
        "AUTH_URL": f"http://127.0.0.1:{setup.keys}",
        "RESOURCE_URL": setup.upstream_url,
        "REDIS_URL": setup.redis_url,
        "PEER_SECRET": os.urandom(32).hex(),
        "DATA_DIR": str(setup.folder),
        "GATEWAY_ROUTES": str(setup.write(f"routes-{port}.toml", routes)),
        "GATEWAY_BIND": f"127.0.0.1:{port}",
        "GATEWAY_INTERNAL_BIND": f"unix:{setup.folder}/internal-{port}.sock",
        "GATEWAY_WORKERS": "1",
        "GATEWAY_NOTICE": "0",
        **({"GATEWAY_COMPILED": "on", **environ_of(copy, root)} if is_compiled else {}),
        **settings,
    }
    arguments = [sys.executable, "-m", "gunicorn", "-c", "python:gateway.gunicorn_conf"]
    return processes.start(f"sallyport-{port}", arguments, root, **environ)
