"""The service under a real gunicorn, on a Unix socket."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from tests.redis_topologies import server_program

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. `body` is the parsed JSON, or None if it is empty."""

    status: int
    headers: dict[str, str]
    body: Any


class _UnixSocketConnection(http.client.HTTPConnection):
    """An HTTP connection over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("auth", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class RunningService:
    """A gunicorn process. Its log is `auth.log` in its folder."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.socket = folder / "auth.sock"
        self.log = folder / "auth.log"
        more = {"AUTH_BIND": f"unix:{self.socket}", "PYTHONPATH": str(ROOT), "PATH": os.defpath}
        self._environ = {**environ, **more}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Migrate, start, and wait until the service is ready."""
        python = [sys.executable, "-m"]
        migrate = [*python, "auth_service", "migrate"]
        subprocess.run(migrate, env=self._environ, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        with self.log.open("ab") as log:
            command = [*python, "gunicorn", "-c", "python:auth_service.gunicorn_conf"]
            self._process = subprocess.Popen(command, env=self._environ, cwd=ROOT, stdout=log, stderr=log)
        wait_until(self._is_ready, 20)

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        assert self._process
        pid = self._process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def stop(self) -> None:
        """Stop gunicorn and its workers."""
        if self._process:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(40)

    def send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, document: object = None
    ) -> "Answer":
        """Send one request on a new connection. `document` is sent as JSON."""
        connection = _UnixSocketConnection(self.socket, timeout=60)
        body = b"" if document is None else json.dumps(document).encode()
        content = {} if document is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, path, body, {**content, **(headers or {})})
            response = connection.getresponse()
            text = response.read()
            return Answer(response.status, dict(response.headers), json.loads(text) if text else None)
        finally:
            connection.close()

    def lines(self) -> list[dict[str, Any]]:
        """Return the log lines."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def _is_ready(self) -> bool:
        try:
            return self.send("GET", "/readyz").status == 200
        except OSError:
            return False


@contextmanager
def running_service(folder: Path, environ: Mapping[str, str]) -> Iterator[RunningService]:
    """Start a service, and stop it after the block."""
    service = RunningService(folder, environ)
    try:
        service.start()
        yield service
    finally:
        service.stop()


class Valkey:
    """A valkey-server that a test can suspend, kill and start again. It stores nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.socket = folder / "valkey.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL for clients."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start the empty server, and return when it responds."""
        options = ["--port", "0", "--unixsocket", str(self.socket), "--dir", str(self._folder), "--save", ""]
        command = [server_program(), *options, "--loglevel", "warning"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(self._responds)

    def suspend(self) -> None:
        """Suspend the server: the kernel accepts connections, and no command is answered."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue the suspended server."""
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the server."""
        if self._process and self._process.poll() is None:
            self._send(signal.SIGCONT)
            self._send(signal.SIGKILL)
            self._process.wait(30)

    def client(self) -> Redis:
        """Return a new client."""
        return Redis.from_url(self.url, decode_responses=True)

    def _responds(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except RedisError:
            return False

    def _send(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Return when `condition` is true; fail after `seconds`. For real processes, whose clock a test cannot move."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition was not true within {seconds} seconds"
        time.sleep(0.02)
