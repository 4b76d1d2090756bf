"""The service as it is served: a real gunicorn on a socket of its own, spoken to byte by byte."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contract.identity import Identity, sign
from contract.keys import assertion_signer
from tests.resource_service.callers import AUDIENCE, SECRET

GUNICORN = [sys.executable, "-m", "gunicorn", "-c", "python:resource_service.gunicorn_conf"]
START_DEADLINE = 15
"""Seconds."""


@pytest.fixture(scope="module")
def server(migrated_database: Path) -> Iterator[Path]:
    """The path of the socket at which the service listens."""
    with serving(migrated_database) as (path, _):
        yield path


@contextmanager
def serving(database: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """The service's socket and its process, until the block ends: on a copy of `database`, with one event stream."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are too deep for a socket's name
        path = Path(folder) / "resource.sock"
        environ = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{shutil.copy(database, folder)}",
            "IDENTITY_SECRET": SECRET,
            "RESOURCE_BIND": f"unix:{path}",
            "RESOURCE_STREAMS": "1",
        }
        process = subprocess.Popen(GUNICORN, env=environ, stdout=subprocess.DEVNULL)
        try:
            _wait_until_it_serves(path, process)
            yield path, process
        finally:
            process.terminate()
            process.wait(timeout=15)


def talk(server: Path, request: bytes) -> bytes:
    """The whole answer to `request`, which must ask for the connection to be closed."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(server))
        connection.sendall(request)
        answer = b""
        while received := connection.recv(65_536):
            answer += received
    return answer


def ask(server: Path, *headers: str, line: str = "GET /api/whoami HTTP/1.1", body: bytes = b"") -> bytes:
    """The answer to a request with these header lines."""
    head = "\r\n".join([line, "Host: notes", "Connection: close", *headers])
    return talk(server, head.encode("latin-1") + b"\r\n\r\n" + body)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def assertion() -> str:
    identity = Identity("ada-id", "ada-session", "ada@example.org")
    return sign(identity, signer=assertion_signer(SECRET), audience=AUDIENCE, now=time.time())


def test_it_is_ready_and_believes_the_gateway(server: Path) -> None:
    assert status(ask(server, line="GET /readyz HTTP/1.1")) == 200
    answer = ask(server, f"X-Identity: {assertion()}")
    assert status(answer) == 200
    assert b'"sub":"ada-id"' in answer


def test_a_direct_call_that_only_says_who_it_is_is_refused(server: Path) -> None:
    answer = ask(server, "X-User-Id: ada-id", "X-User-Roles: staff")
    assert status(answer) == 401
    assert b"WWW-Authenticate: Bearer" in answer


def test_two_assertions_on_the_wire_are_refused(server: Path) -> None:
    good = f"X-Identity: {assertion()}"
    assert status(ask(server, good, good)) == 401
    assert status(ask(server, good, "x-identity: nonsense")) == 401


def test_a_header_spelt_with_an_underscore_is_not_taken_for_the_assertion(server: Path) -> None:
    assert status(ask(server, f"X_Identity: {assertion()}")) in (400, 401)


def test_a_header_cannot_rewrite_the_path(server: Path) -> None:
    answer = ask(server, f"X-Identity: {assertion()}", "SCRIPT_NAME: /api", line="GET /whoami HTTP/1.1")
    assert status(answer) in (400, 404)


def test_a_broken_chunked_body_is_the_clients_fault(server: Path) -> None:
    """R30."""
    answer = ask(
        server,
        f"X-Identity: {assertion()}",
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
        line="POST /api/notes/ HTTP/1.1",
        body=b"nonsense\r\n",
    )
    assert status(answer) == 400


@contextmanager
def listening(server: Path) -> Iterator[tuple[int, socket.socket]]:
    """A stream of Ada's events: the status and the connection, until the block ends."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(server))
        connection.sendall(
            f"GET /api/notes/events HTTP/1.1\r\nHost: notes\r\nX-Identity: {assertion()}\r\n\r\n".encode()
        )
        yield status(connection.recv(65_536)), connection


def test_a_stream_tells_what_happens_and_gives_its_place_back_when_its_client_goes(server: Path) -> None:
    """Its thread would wait for the next heartbeat otherwise, and there is one place here."""
    note = b'{"title": "told"}'
    with listening(server) as (answered, connection):
        assert answered == 200
        with listening(server) as (refused, _):
            assert refused == 503
        written = ask(
            server,
            f"X-Identity: {assertion()}",
            "Content-Type: application/json",
            f"Content-Length: {len(note)}",
            line="POST /api/notes/ HTTP/1.1",
            body=note,
        )
        assert status(written) == 201
        told = b""
        while b"told" not in told:
            told += connection.recv(65_536)
        assert b"event: created\nid: 1\n" in told
    deadline = time.monotonic() + 5
    answered = 503
    while answered == 503 and time.monotonic() < deadline:
        with listening(server) as (answered, _):
            pass
    assert answered == 200


def test_a_service_that_is_asked_to_go_does_not_wait_for_its_streams(migrated_database: Path) -> None:
    with serving(migrated_database) as (path, process), listening(path) as (answered, connection):
        assert answered == 200
        process.terminate()
        connection.recv(65_536)
        assert process.wait(timeout=10) == 0


@pytest.mark.parametrize("command", [GUNICORN, [sys.executable, "-m", "resource_service", "migrate"]])
def test_it_does_not_start_without_the_key_and_names_it(command: list[str], tmp_path: Path) -> None:
    """R36."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("IDENTITY_SECRET")}
    environ["DATABASE_URL"] = f"sqlite:///{tmp_path / 'notes.db'}"
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert ended.stderr.strip() == "cannot start: IDENTITY_SECRET is missing"
    assert list(tmp_path.iterdir()) == []


def test_the_migrate_command_makes_the_tables(tmp_path: Path) -> None:
    environ = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path / 'notes.db'}", "IDENTITY_SECRET": SECRET}
    command = [sys.executable, "-W", "error", "-m", "resource_service", "migrate"]
    subprocess.run(command, env=environ, check=True, capture_output=True, timeout=30)
    assert (tmp_path / "notes.db").stat().st_size > 0


def _wait_until_it_serves(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_DEADLINE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if status(ask(path, line="GET /healthz HTTP/1.1")) == 200:
                return
        except OSError:
            time.sleep(0.05)  # another process is starting: there is no clock of ours to move
    raise AssertionError(f"the service did not serve within {START_DEADLINE} s, exit status {process.poll()}")
