"""Reload on SIGHUP: new workers use a valid routes file, and an invalid file changes nothing."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.routing.active_routes import ActiveRoutes
from gateway.routing.errors import RoutesError
from gateway.routing.loader import load_routes, version_of
from gateway.routing.routes import RouteTable
from stack.plan import ROOT, Command
from tests.faults.support.managed_process import WAIT, ManagedProcess
from tests.gateway.access_tokens import PEER_SECRET
from tests.gateway.raw_client import single_request
from tests.gateway.raw_upstream import RawUpstream
from tests.ports import free_port
from tests.system.support.running_stack import clean_environ

pytestmark = pytest.mark.system

FILE = """
[upstreams.notes]
urls = ["${RESOURCE_URL}"]
identity = false

[[routes]]
prefix = "/old/"
upstream = "notes"
access = "public"
"""
INVALID = FILE + "methods = []\n"
REASON = 'routes[0].methods: must not be empty (prefix "/old/")'


def test_an_invalid_file_leaves_the_routes_unchanged_and_is_logged(tmp_path: Path) -> None:
    """One log line for each problem, with the version that stays active."""
    file = tmp_path / "routes.toml"
    file.write_text(FILE)
    environ = {"RESOURCE_URL": "http://127.0.0.1:1"}
    routes = ActiveRoutes(lambda: load_routes(file, environ=environ, data_dir=tmp_path))
    before = routes.table
    assert before.version == hashlib.sha256(FILE.encode()).hexdigest()[:12]
    file.write_text(INVALID + "max_body = -1\n")
    with capture_logs() as log:
        routes.reload()
    assert (routes.table, routes.reload_failed) == (before, True)
    assert [(line["event"], line["in_force"]) for line in log] == [("routes_rejected", before.version)] * 2
    assert [line["error"].split(": ")[0] for line in log] == [str(file)] * 2
    file.write_text(FILE.replace("old", "new"))
    routes.reload()
    assert (routes.table.version == before.version, routes.reload_failed) == (False, False)
    assert (routes.table.match(b"/new/") is None, routes.table.match(b"/old/") is None) == (False, True)


def test_any_exception_at_a_reload_leaves_the_routes_unchanged() -> None:
    tables = [RouteTable([], "1")]
    routes = ActiveRoutes(lambda: tables.pop())
    routes.reload()
    assert (routes.table.version, routes.reload_failed) == ("1", True)


def test_a_missing_routes_file_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(RoutesError):
        ActiveRoutes(lambda: load_routes(tmp_path / "none.toml", environ={}, data_dir=tmp_path))


@dataclass(frozen=True, slots=True)
class GunicornGateway:
    """A gateway under gunicorn, with one worker and its own routes file. `internal` is its internal port."""

    process: ManagedProcess
    file: Path
    port: int
    internal: int

    def routes_in_use(self) -> tuple[dict[str, float], float]:
        """Return the number of workers by routes version, and whether the last reload failed, from the metrics."""
        body = single_request(self.internal, "GET /metrics HTTP/1.1", "Host: h").body.decode()
        lines = [line for line in body.splitlines() if line.startswith("sallyport_gateway_routes_")]
        values = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
        refused = values.pop("sallyport_gateway_routes_refused")
        return {name.split('"')[1]: count for name, count in values.items()}, refused

    def waits_for_routes(self, workers: dict[str, float], refused: float) -> bool:
        """Wait up to 15 s until `routes_in_use` returns this; return whether it does. A stopping worker counts."""
        deadline = time.monotonic() + 30
        while self.routes_in_use() != (workers, refused) and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.routes_in_use() == (workers, refused)

    def status(self, path: str) -> int:
        """Return the status for `path`; 0 if the connection is refused."""
        try:
            return single_request(self.port, f"GET {path} HTTP/1.1", "Host: h").status
        except OSError:
            return 0

    def reload(self, text: str) -> None:
        """Write `text` to the routes file, send SIGHUP, and wait until a new worker has replaced the old one."""
        before = self.process.workers
        self.file.write_text(text)
        self.process.signal(signal.SIGHUP)
        wait_until(lambda: bool(self.process.workers) and not self.process.workers & before)

    def kill_worker(self) -> None:
        """Kill the worker, and wait until another one has replaced it and serves."""
        before = self.process.workers
        os.kill(next(iter(before)), signal.SIGKILL)
        wait_until(lambda: bool(self.process.workers - before))
        wait_until(lambda: self.status("/healthz") == 200)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until `condition()` is true. It depends on other processes, so there is no clock to move."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def stopped(auth_upstream: RawUpstream, upstream: RawUpstream, redis_url: str, tmp_path: Path) -> GunicornGateway:
    """A gateway that has not been started."""
    file, port, internal = tmp_path / "routes.toml", free_port(), free_port()
    file.write_text(FILE)
    environ = {
        **clean_environ(),
        "AUTH_URL": auth_upstream.url,
        "DATA_DIR": str(tmp_path),
        "GATEWAY_BIND": f"127.0.0.1:{port}",
        "GATEWAY_INTERNAL_BIND": f"127.0.0.1:{internal}",
        "GATEWAY_NOTICE": "0",
        "GATEWAY_ROUTES": str(file),
        "GATEWAY_WORKERS": "1",
        "PEER_SECRET": PEER_SECRET,
        "REDIS_URL": redis_url,
        "RESOURCE_URL": upstream.url,
    }
    argv = (sys.executable, "-m", "gunicorn", "-c", "python:gateway.gunicorn_conf")
    return GunicornGateway(ManagedProcess(Command("gateway", argv, environ)), file, port, internal)


@pytest.fixture
def served(stopped: GunicornGateway) -> Iterator[GunicornGateway]:
    """A gateway that is ready."""
    stopped.process.start()
    try:
        wait_until(lambda: stopped.status("/readyz") == 200)
        yield stopped
    finally:
        stopped.process.stop()


def test_an_invalid_file_prevents_the_start_and_every_problem_is_reported(stopped: GunicornGateway) -> None:
    stopped.file.write_text(INVALID + "max_body = -1\n")
    command = stopped.process.command
    ended = subprocess.run(command.argv, cwd=ROOT, env=command.environ, capture_output=True, text=True, timeout=WAIT)
    assert ended.returncode == 2
    begins = [line.split("routes[0]")[0] for line in ended.stderr.splitlines()]
    assert begins == [f"cannot start: {stopped.file}: "] * 2


def test_wrong_settings_do_not_hide_those_of_the_routes_file(stopped: GunicornGateway) -> None:
    stopped.file.write_text(INVALID)
    environ = {**stopped.process.command.environ, "GATEWAY_WORKERS": "two", "PEER_SECRET": "short"}
    ended = subprocess.run(
        stopped.process.command.argv, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=WAIT
    )
    assert ended.returncode == 2
    begins = [line.split()[2] for line in ended.stderr.splitlines()]
    assert begins == ["PEER_SECRET", "GATEWAY_WORKERS", f"{stopped.file}:"]


@pytest.mark.parametrize(
    ("settings", "lines"),
    [({"APP_ENV": "production"}, 1), ({"APP_ENV": "production", "ALLOWED_ORIGINS": "https://a.example"}, 0), ({}, 0)],
)
def test_a_start_in_production_without_allowed_origins_is_logged(
    stopped: GunicornGateway, settings: dict[str, str], lines: int
) -> None:
    """The event is logged once, and names the setting to change."""
    environ = {**stopped.process.command.environ, **settings}
    command = (sys.executable, "-c", "import gateway.gunicorn_conf")
    ended = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=WAIT, check=True)
    logged = [line for line in map(json.loads, ended.stdout.splitlines()) if line["event"] == "no_origin_is_allowed"]
    assert [(line["level"], "ALLOWED_ORIGINS=" in line["to_allow_them"]) for line in logged] == [
        ("info", True)
    ] * lines


def test_a_reload_uses_a_valid_file_and_rejects_an_invalid_one(served: GunicornGateway) -> None:
    """While the file is invalid, a worker that replaces a killed one uses the old routes."""
    old, new = (version_of(text) for text in (FILE, FILE.replace("old", "new")))
    assert (served.status("/old/"), served.status("/new/")) == (200, 404)
    assert served.routes_in_use() == ({old: 1}, 0)
    served.reload(INVALID)
    refused = served.process.wait_for_event("routes_rejected")
    assert refused["error"] == f"{served.file}: {REASON}"
    assert (served.status("/old/"), served.status("/new/")) == (200, 404)
    served.kill_worker()
    assert (served.status("/old/"), served.status("/new/")) == (200, 404)
    assert served.waits_for_routes({old: 1}, 1)
    served.reload(FILE.replace("old", "new"))
    assert (served.status("/old/"), served.status("/new/")) == (404, 200)
    assert served.waits_for_routes({new: 1}, 0)
    assert [line["version"] for line in served.process.events("routes_active")] == [old, new]
