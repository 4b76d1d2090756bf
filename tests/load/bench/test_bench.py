"""`make bench` is reliable: it finds wrong responses and leaves no process running."""

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stack.plan import ROOT
from tests.load.measuring.docs_page import replace_part
from tests.load.measuring.processes import NotServing, Processes, wait_for
from tests.load.measuring.tokens import Signer
from tests.load.measuring.traffic import write_requests
from tests.load.measuring.wrk import Run, Server, Turn, take_turn
from tests.ports import free_port
from tests.system.support.running_stack import descendants, is_running

NOTE = '{"title": "A note"}'
PYTHON = ROOT / ".venv-bench" / "bin" / "python"

needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is installed by `make bench`")
needs_bench = pytest.mark.skipif(not PYTHON.exists(), reason="`make bench` creates the environment")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that responds to every request with NOTE."""
    (tmp_path / "note.json").write_text(NOTE)
    (tmp_path / "other.json").write_text("{}")
    port = free_port()
    with Processes(tmp_path) as processes:
        arguments = [
            sys.executable,
            "-m",
            "tests.load.measuring.upstream",
            str(port),
            "0",
            str(tmp_path / "note.json"),
        ]
        process = processes.start("upstream", arguments)
        wait_for(process, port)
        yield Server("upstream", f"http://127.0.0.1:{port}", process)


class Recorder(ThreadingHTTPServer):
    """A server that stores the path, X-Field and body of each request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RecordingHandler)
        self.received: list[tuple[str, str | None, bytes]] = []

    @property
    def server(self) -> Server:
        """Return it as a server to measure."""
        return Server("recorder", f"http://127.0.0.1:{self.server_port}", None)


class RecordingHandler(BaseHTTPRequestHandler):
    """Answers each request with an empty body."""

    protocol_version = "HTTP/1.1"
    server: Recorder

    def do_GET(self) -> None:
        """Store the request."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.received.append((self.path, self.headers.get("X-Field"), body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        """Store the request."""
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Write no log."""


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A server that stores what it receives."""
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def turn(server: Server, *arguments: str, seconds: int = 1) -> Run:
    """Run a turn with four connections."""
    return take_turn(server, Turn("/", 4, seconds, arguments))


@needs_wrk
def test_right_responses_are_counted_with_their_cost(server: Server, tmp_path: Path) -> None:
    run = turn(server, "status=200", f"body={tmp_path / 'note.json'}")
    assert run.wrong == 0
    assert run.rate > 100
    assert 0 < run.cpu < 1_000_000 / run.rate * 1.1
    assert run.memory > 2**20
    assert 0 < run.p50 <= run.p99
    assert 0 < run.client_cpu < 1_000_000 / run.rate * 1.1


@needs_wrk
def test_each_response_may_have_one_of_several_bodies(server: Server, tmp_path: Path) -> None:
    bodies = (f"body={tmp_path / name}" for name in ("other.json", "note.json"))
    assert turn(server, *bodies, "status=200", "count=100", seconds=30).wrong == 0


@needs_wrk
def test_the_requests_of_a_file_are_sent_as_they_are_and_then_again(recorder: Recorder, tmp_path: Path) -> None:
    first = b"GET /first?a=1 HTTP/1.1\r\nHost: a\r\nX-Field: one\r\n\r\n"
    second = b"POST /second HTTP/1.1\r\nHost: b\r\nContent-Length: 3\r\n\r\nabc"
    write_requests(tmp_path / "requests", [first, second])
    run = turn(recorder.server, f"requests={tmp_path / 'requests'}", "status=200", "count=40", seconds=30)
    assert run.wrong == 0
    assert set(recorder.received) == {("/first?a=1", "one", b""), ("/second", None, b"abc")}
    assert len(recorder.received) >= 40


@needs_wrk
@pytest.mark.parametrize(
    "arguments", [("status=401",), ("status=200", "body=other.json"), ("status=200", "never=note.json")]
)
def test_every_unexpected_response_counts_as_wrong(
    server: Server, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    with_paths = [
        f"{name}={tmp_path / value if value.endswith('json') else value}" for name, value in map(_split, arguments)
    ]
    run = turn(server, *with_paths, "count=500", seconds=30)
    assert run.wrong >= 500
    assert run.problem.startswith("200 {'title'")


@needs_wrk
def test_a_turn_ends_after_count_responses(server: Server, tmp_path: Path) -> None:
    tokens = Signer().write(tmp_path / "tokens", 300)
    began = time.monotonic()
    run = turn(server, f"tokens={tokens.path}", f"offset={tokens.offset(7)}", "count=300", "status=200", seconds=60)
    assert run.wrong == 0
    assert time.monotonic() - began < 20


def test_each_line_of_a_token_file_has_a_different_token(tmp_path: Path) -> None:
    tokens = Signer().write(tmp_path / "tokens", 50)
    lines = tokens.path.read_text().splitlines()
    assert len(set(lines)) == 50
    assert tokens.path.read_text()[tokens.offset(49) :] == lines[49] + "\n"


@needs_wrk
def test_the_error_names_a_server_that_is_down(server: Server) -> None:
    down = Server("the server that is down", "http://127.0.0.1:1", server.process)
    with pytest.raises(NotServing, match="the server that is down"):
        turn(down, "status=200")


@needs_wrk
@needs_bench
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_benchmark_leaves_no_process(number: int, tmp_path: Path) -> None:
    arguments = [
        str(PYTHON),
        "-m",
        "tests.load.bench",
        "--work",
        "valid",
        "--quick",
        "--seconds",
        "5",
        "--out",
        str(tmp_path),
    ]
    with (tmp_path / "log").open("w") as log:
        bench = subprocess.Popen(arguments, cwd=ROOT, stderr=log, stdout=log)
    while "[2/" not in (tmp_path / "log").read_text():
        assert bench.poll() is None, (tmp_path / "log").read_text()
        time.sleep(0.1)
    started = descendants(bench.pid)
    bench.send_signal(number)
    assert bench.wait(60) == 130
    assert len(started) > 5
    assert not [pid for pid in started if is_running(pid)]


def test_only_the_text_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- begin: a -->\nold\n<!-- end: a -->\nafter\n")
    replace_part(page, "a", r"new \1")
    assert page.read_text() == "before\n<!-- begin: a -->\n\nnew \\1\n\n<!-- end: a -->\nafter\n"
    with pytest.raises(ValueError, match="0 times"):
        replace_part(page, "b", "new")


def _split(argument: str) -> tuple[str, str]:
    name, _, value = argument.partition("=")
    return name, value
