"""SIGHUP: a good routes file is taken by new workers, a wrong one changes nothing, whatever becomes of a worker."""

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
from tests.faults.part import WAIT, Part
from tests.gateway.access_tokens import PEER_SECRET
from tests.gateway.raw_client import one_answer
from tests.gateway.raw_upstream import RawUpstream
from tests.ports import free_port
from tests.system.running_stack import clean_environ

FILE = """
[upstreams.notes]
urls = ["${RESOURCE_URL}"]
identity = false

[[routes]]
prefix = "/old/"
upstream = "notes"
access = "public"
"""
WRONG = FILE + "methods = []\n"
REASON = 'routes[0].methods: must not be empty (prefix "/old/")'


def test_a_refused_file_leaves_the_routes_and_says_why(tmp_path: Path) -> None:
    """Each problem is a log line with the version that stays active."""
    file = tmp_path / "routes.toml"
    file.write_text(FILE)
    environ = {"RESOURCE_URL": "http://127.0.0.1:1"}
    routes = ActiveRoutes(lambda: load_routes(file, environ=environ, data_dir=tmp_path))
    before = routes.table
    assert before.version == hashlib.sha256(FILE.encode()).hexdigest()[:12]
    file.write_text(WRONG + "max_body = -1\n")
    with capture_logs() as log:
        routes.reload()
    assert (routes.table, routes.reload_failed) == (before, True)
    assert [(line["event"], line["in_force"]) for line in log] == [("routes_rejected", before.version)] * 2
    assert [line["reason"].split(": ")[0] for line in log] == [str(file)] * 2
    file.write_text(FILE.replace("old", "new"))
    routes.reload()
    assert (routes.table.version == before.version, routes.reload_failed) == (False, False)
    assert (routes.table.match(b"/new/") is None, routes.table.match(b"/old/") is None) == (False, True)


def test_whatever_goes_wrong_at_a_reload_the_master_goes_on() -> None:
    tables = [RouteTable([], "1")]
    routes = ActiveRoutes(lambda: tables.pop())
    routes.reload()
    assert (routes.table.version, routes.reload_failed) == ("1", True)


def test_there_is_no_beginning_with_a_wrong_file(tmp_path: Path) -> None:
    with pytest.raises(RoutesError):
        ActiveRoutes(lambda: load_routes(tmp_path / "none.toml", environ={}, data_dir=tmp_path))


@dataclass(frozen=True, slots=True)
class Served:
    """A gateway under gunicorn, with one worker and a routes file of its own."""

    part: Part
    file: Path
    port: int
    internal: int

    def in_force(self) -> tuple[dict[str, float], float]:
        """What the metrics say: how many workers serve by which version, and whether the file was refused."""
        body = one_answer(self.internal, "GET /metrics HTTP/1.1", "Host: h").body.decode()
        said = [line for line in body.splitlines() if line.startswith("sallyport_gateway_routes_")]
        values = {name: float(value) for name, _, value in (line.rpartition(" ") for line in said)}
        refused = values.pop("sallyport_gateway_routes_refused")
        return {name.split('"')[1]: count for name, count in values.items()}, refused

    def comes_to_be_in_force(self, workers: dict[str, float], refused: float) -> bool:
        """Whether the metrics come to say so: a worker that goes counts until it has gone."""
        deadline = time.monotonic() + 15
        while self.in_force() != (workers, refused) and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.in_force() == (workers, refused)

    def status(self, path: str) -> int:
        """Of an answer; 0 where nobody listens yet."""
        try:
            return one_answer(self.port, f"GET {path} HTTP/1.1", "Host: h").status
        except OSError:
            return 0

    def reload(self, text: str) -> None:
        """Returns when a new worker has taken the old one's place."""
        before = self.part.workers
        self.file.write_text(text)
        self.part.signal(signal.SIGHUP)
        soon(lambda: bool(self.part.workers) and not self.part.workers & before)

    def kill_worker(self) -> None:
        """Returns when another one has taken its place and serves."""
        before = self.part.workers
        os.kill(next(iter(before)), signal.SIGKILL)
        soon(lambda: bool(self.part.workers - before))
        soon(lambda: self.status("/healthz") == 200)


def soon(holds: Callable[[], bool]) -> None:
    """Returns when it holds: other processes come and go, and there is no clock of ours to move."""
    deadline = time.monotonic() + WAIT
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def stopped(auth_upstream: RawUpstream, upstream: RawUpstream, redis_url: str, tmp_path: Path) -> Served:
    """Not started yet."""
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
    return Served(Part(Command("gateway", argv, environ)), file, port, internal)


@pytest.fixture
def served(stopped: Served) -> Iterator[Served]:
    """Ready."""
    stopped.part.start()
    try:
        soon(lambda: stopped.status("/readyz") == 200)
        yield stopped
    finally:
        stopped.part.stop()


def test_a_wrong_file_stops_the_start_and_every_problem_is_reported(stopped: Served) -> None:
    stopped.file.write_text(WRONG + "max_body = -1\n")
    command = stopped.part.command
    ended = subprocess.run(command.argv, cwd=ROOT, env=command.environ, capture_output=True, text=True, timeout=WAIT)
    assert ended.returncode == 2
    begins = [line.split("routes[0]")[0] for line in ended.stderr.splitlines()]
    assert begins == [f"cannot start: {stopped.file}: "] * 2


@pytest.mark.parametrize(
    ("told", "lines"),
    [({"APP_ENV": "production"}, 1), ({"APP_ENV": "production", "ALLOWED_ORIGINS": "https://a.example"}, 0), ({}, 0)],
)
def test_in_production_the_start_says_that_no_origin_is_allowed(
    stopped: Served, told: dict[str, str], lines: int
) -> None:
    """Once, and with what to set."""
    environ = {**stopped.part.command.environ, **told}
    command = (sys.executable, "-c", "import gateway.gunicorn_conf")
    ended = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=WAIT, check=True)
    said = [line for line in map(json.loads, ended.stdout.splitlines()) if line["event"] == "no_origin_is_allowed"]
    assert [(line["level"], "ALLOWED_ORIGINS=" in line["to_allow_them"]) for line in said] == [("info", True)] * lines


def test_a_reload_takes_a_good_file_and_no_wrong_one(served: Served) -> None:
    """The wrong file is still there when a worker dies: the one that takes its place serves by the old routes."""
    old, new = (version_of(text) for text in (FILE, FILE.replace("old", "new")))
    assert (served.status("/old/"), served.status("/new/")) == (200, 404)
    assert served.in_force() == ({old: 1}, 0)
    served.reload(WRONG)
    refused = served.part.wait_to_say("routes_rejected")
    assert refused["reason"] == f"{served.file}: {REASON}"
    assert (served.status("/old/"), served.status("/new/")) == (200, 404)
    served.kill_worker()
    assert (served.status("/old/"), served.status("/new/")) == (200, 404)
    assert served.comes_to_be_in_force({old: 1}, 1)
    served.reload(FILE.replace("old", "new"))
    assert (served.status("/old/"), served.status("/new/")) == (404, 200)
    assert served.comes_to_be_in_force({new: 1}, 0)
    assert [line["version"] for line in served.part.events("routes_active")] == [old, new]
