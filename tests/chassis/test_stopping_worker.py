"""A stopping gunicorn answers each request whose connection it has accepted, and refuses connections at once."""

import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.ports import free_port

pytestmark = pytest.mark.system

APP = """
import time
def app(environ, start_response):
    time.sleep(0.002)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
CLIENTS = 8
REQUESTS_BEFORE = 500
REQUEST = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nok"
CONFIGURED = ("--workers", "2", "--threads", "4", "--worker-class", "chassis.gunicorn_worker.LingeringThreadWorker")


@contextmanager
def serving(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    (folder / "slow_app.py").write_text(APP)
    command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--bind", f"127.0.0.1:{port}", *CONFIGURED]
    environ = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{Path.cwd()}"}
    process = subprocess.Popen([*command, "slow_app:app"], env=environ, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


def request_on_new_connection(port: int) -> str:
    """Return `answered`, `refused` if the connection was refused, or `lost` if it broke without a response."""
    with socket.socket() as connection:
        connection.settimeout(30)
        try:
            connection.connect(("127.0.0.1", port))
        except ConnectionRefusedError:
            return "refused"
        with suppress(ConnectionError):
            connection.sendall(REQUEST)
            return "answered" if connection.recv(65_536).startswith(b"HTTP/1.1 200 OK") else "lost"
        return "lost"


def send_until_refused(port: int, answered: list[str]) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    while not outcomes["refused"]:
        outcome = request_on_new_connection(port)
        outcomes[outcome] += 1
        answered.append(outcome)
    return outcomes


def test_no_accepted_connection_is_lost_by_a_stop(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, port) as process, ThreadPoolExecutor(CLIENTS) as pool:
        while request_on_new_connection(port) == "refused":
            assert process.poll() is None
        outcomes: list[str] = []
        clients = [pool.submit(send_until_refused, port, outcomes) for _ in range(CLIENTS)]
        while len(outcomes) < REQUESTS_BEFORE:
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        total = sum((client.result(60) for client in clients), Counter[str]())
        assert process.wait(60) == 0
    assert total["answered"] >= REQUESTS_BEFORE
    assert total["lost"] == 0, total
