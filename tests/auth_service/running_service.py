"""The service as it really runs: gunicorn with workers of its own, on a unix socket in a folder of its own."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class _OverSocket(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("auth", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connects to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class RunningService:
    """A gunicorn of ours. Its log goes to `auth.log` in its folder."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.socket = folder / "auth.sock"
        self.log = folder / "auth.log"
        more = {"AUTH_BIND": f"unix:{self.socket}", "PYTHONPATH": str(ROOT), "PATH": os.defpath}
        self._environ = {**environ, **more}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Migrates, starts, and returns once it is ready."""
        python = [sys.executable, "-m"]
        subprocess.run([*python, "auth_service", "migrate"], env=self._environ, cwd=ROOT, check=True, stdout=-3)
        with self.log.open("ab") as log:
            command = [*python, "gunicorn", "-c", "python:auth_service.gunicorn_conf"]
            self._process = subprocess.Popen(command, env=self._environ, cwd=ROOT, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while not self._is_ready():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends it and its workers."""
        if self._process:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(40)

    def ask(
        self, method: str, path: str, document: bytes = b"", timeout: float = 10, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """The status, headers and body of an answer."""
        connection = _OverSocket(self.socket, timeout)
        try:
            content = {"Content-Type": "application/json"} if document else {}
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, document, {**content, **named})
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            connection.close()

    def _is_ready(self) -> bool:
        try:
            return self.ask("GET", "/readyz")[0] == 200
        except OSError:
            return False


@contextmanager
def running_service(folder: Path, environ: Mapping[str, str]) -> Iterator[RunningService]:
    """A service that is stopped in the end."""
    service = RunningService(folder, environ)
    try:
        service.start()
        yield service
    finally:
        service.stop()


def text(value: Any) -> str:
    """A member of an answer that is to be a text."""
    assert isinstance(value, str), value
    return value
