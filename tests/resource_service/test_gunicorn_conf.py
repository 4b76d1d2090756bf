"""The service under a real gunicorn, on a Unix socket."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contract.identity import sign
from contract.keys import assertion_signer
from sallyport_service import Identity
from tests.resource_service.callers import AUDIENCE, SECRET

pytestmark = pytest.mark.system

GUNICORN = [sys.executable, "-m", "gunicorn", "-c", "python:resource_service.gunicorn_conf"]
START_SECONDS = 15


@pytest.fixture(scope="module")
def server(migrated_database: Path) -> Iterator[Path]:
    """The path of the socket that the service listens on."""
    with serving(migrated_database) as (path, _):
        yield path


@contextmanager
def serving(database: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """Run the service on a copy of `database`, with one event stream. Yield its socket and its process."""
    with tempfile.TemporaryDirectory() as folder:  # the paths of pytest's folders are too long for a socket
        path = Path(folder) / "resource.sock"
        environ = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{shutil.copy(database, folder)}",
            "IDENTITY_SECRET": SECRET,
            "RESOURCE_BIND": f"unix:{path}",
            "RESOURCE_INTERNAL_BIND": f"unix:{internal_socket(path)}",
            "RESOURCE_STREAMS": "1",
        }
        process = subprocess.Popen(GUNICORN, env=environ, stdout=subprocess.DEVNULL)
        try:
            _wait_until_ready(path, process)
            yield path, process
        finally:
            process.terminate()
            process.wait(timeout=40)


def internal_socket(server: Path) -> Path:
    return server.with_name("internal.sock")


def send_raw(server: Path, request: bytes) -> bytes:
    """Return the whole response to `request`, which must have `Connection: close`."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(server))
        connection.sendall(request)
        response = b""
        while received := connection.recv(65_536):
            response += received
    return response


def send(server: Path, *headers: str, line: str = "GET /api/whoami HTTP/1.1", body: bytes = b"") -> bytes:
    """Return the response to a request with these header lines."""
    head = "\r\n".join([line, "Host: notes", "Connection: close", *headers])
    return send_raw(server, head.encode("latin-1") + b"\r\n\r\n" + body)


def status(response: bytes) -> int:
    return int(response.split(b" ", 2)[1])


def assertion() -> str:
    identity = Identity("ada-id", "ada-session", "ada@example.org")
    return sign(identity, signer=assertion_signer(SECRET), audience=AUDIENCE, now=time.time())


def test_the_service_is_ready_and_accepts_the_gateways_assertion(server: Path) -> None:
    assert status(send(server, line="GET /readyz HTTP/1.1")) == 200
    response = send(server, f"X-Identity: {assertion()}")
    assert status(response) == 200
    assert b'"sub":"ada-id"' in response


def metrics(server: Path) -> dict[str, float]:
    """Return the values of the metrics by name and labels."""
    _, _, body = send(internal_socket(server), line="GET /metrics HTTP/1.1").partition(b"\r\n\r\n")
    lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_are_served_on_the_internal_address(server: Path) -> None:
    series = 'sallyport_resource_requests_total{method="GET",route="/api/whoami",status="200"}'
    before = metrics(server).get(series, 0)
    for _ in range(6):
        send(server, f"X-Identity: {assertion()}")
    after = metrics(server)
    assert after[series] == before + 6
    assert after['sallyport_resource_request_duration_seconds_count{route="/api/whoami"}'] >= 6
    assert after["sallyport_resource_database_connections_limit"] == 8 + 1


def test_no_path_becomes_a_label(server: Path) -> None:
    send(server, line="BREW /api/notes/8f2c/secret HTTP/1.1")
    names = [name for name in metrics(server) if name.startswith("sallyport_resource_requests_total")]
    assert 'sallyport_resource_requests_total{method="other",route="none",status="404"}' in names
    assert not any("8f2c" in name or "BREW" in name for name in names)


def test_each_address_serves_only_what_is_meant_for_it(server: Path) -> None:
    assert status(send(server, line="GET /metrics HTTP/1.1")) == 404
    assert status(send(internal_socket(server), line="GET /api/whoami HTTP/1.1")) == 404
    assert status(send(internal_socket(server), line="POST /metrics HTTP/1.1")) == 501


def test_unsigned_identity_headers_are_refused(server: Path) -> None:
    response = send(server, "X-User-Id: ada-id", "X-User-Roles: staff")
    assert status(response) == 401
    assert b"WWW-Authenticate: Bearer" in response


def test_two_assertions_are_refused(server: Path) -> None:
    valid = f"X-Identity: {assertion()}"
    assert status(send(server, valid, valid)) == 401
    assert status(send(server, valid, "x-identity: nonsense")) == 401


def test_an_assertion_under_a_name_with_an_underscore_is_refused(server: Path) -> None:
    assert status(send(server, f"X_Identity: {assertion()}")) in (400, 401)


def test_the_header_script_name_cannot_change_the_path(server: Path) -> None:
    response = send(server, f"X-Identity: {assertion()}", "SCRIPT_NAME: /api", line="GET /whoami HTTP/1.1")
    assert status(response) in (400, 404)


def test_a_broken_chunked_body_is_answered_400(server: Path) -> None:
    response = send(
        server,
        f"X-Identity: {assertion()}",
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
        line="POST /api/notes/ HTTP/1.1",
        body=b"nonsense\r\n",
    )
    assert status(response) == 400


@contextmanager
def open_stream(server: Path) -> Iterator[tuple[int, socket.socket]]:
    """Open an event stream. Yield its status and connection."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(server))
        connection.sendall(
            f"GET /api/notes/events HTTP/1.1\r\nHost: notes\r\nX-Identity: {assertion()}\r\n\r\n".encode()
        )
        yield status(connection.recv(65_536)), connection


def test_a_stream_sends_events_and_is_freed_when_the_client_disconnects(server: Path) -> None:
    """This service may have one stream. It is freed within 5 s, before the next heartbeat."""
    note = b'{"title": "received"}'
    with open_stream(server) as (status_code, connection):
        assert status_code == 200
        with open_stream(server) as (refused, _):
            assert refused == 503
        written = send(
            server,
            f"X-Identity: {assertion()}",
            "Content-Type: application/json",
            f"Content-Length: {len(note)}",
            line="POST /api/notes/ HTTP/1.1",
            body=note,
        )
        assert status(written) == 201
        received = b""
        while b"received" not in received:
            received += connection.recv(65_536)
        assert b"event: created\nid: 1\n" in received
    deadline = time.monotonic() + 30
    status_code = 503
    while status_code == 503 and time.monotonic() < deadline:
        with open_stream(server) as (status_code, _):
            pass
    assert status_code == 200


def test_a_stopping_service_does_not_wait_for_its_streams(migrated_database: Path) -> None:
    with serving(migrated_database) as (path, process), open_stream(path) as (status_code, connection):
        assert status_code == 200
        process.terminate()
        connection.recv(65_536)
        assert process.wait(timeout=40) == 0


@pytest.mark.parametrize("command", [GUNICORN, [sys.executable, "-m", "resource_service", "migrate"]])
def test_neither_the_server_nor_the_migration_starts_without_the_secret(command: list[str], tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("IDENTITY_SECRET")}
    environ["DATABASE_URL"] = f"sqlite:///{tmp_path / 'notes.db'}"
    process = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert process.returncode == 2
    assert process.stderr.strip() == "cannot start: IDENTITY_SECRET is missing"
    assert list(tmp_path.iterdir()) == []


def test_the_migrate_command_creates_the_tables(tmp_path: Path) -> None:
    environ = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path / 'notes.db'}", "IDENTITY_SECRET": SECRET}
    command = [sys.executable, "-W", "error", "-m", "resource_service", "migrate"]
    subprocess.run(command, env=environ, check=True, capture_output=True, timeout=30)
    with sqlite3.connect(tmp_path / "notes.db") as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert {"notes", "note_counts", "note_changes"} <= tables


def _wait_until_ready(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if status(send(path, line="GET /healthz HTTP/1.1")) == 200:
                return
        except OSError:
            time.sleep(0.05)  # a test cannot move the clock of the starting process
    raise AssertionError(f"the service was not ready within {START_SECONDS} s, exit status {process.poll()}")
