"""A PostgreSQL server for tests, on a unix socket, that can be stopped, crashed and restarted."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WAIT = 60.0
"""Seconds after which a start or a stop has failed."""

# Debian installs the programs of each version in a folder of its own, which is not on PATH.
_SEARCH_PATH = os.pathsep.join(
    [os.environ.get("PATH", os.defpath), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
)


def find_program(name: str) -> str | None:
    """Return the path of a PostgreSQL program, or None if it is not installed."""
    return shutil.which(name, path=_SEARCH_PATH)


class Postgres:
    """A server whose data directory is in `folder` and survives stops and crashes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root; its folder then belongs to the user postgres.
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user is not None:
            os.chown(folder, pwd.getpwnam(self._user).pw_uid, -1)

    @property
    def url(self) -> str:
        """Return the value for DATABASE_URL."""
        return f"postgresql://postgres@/postgres?host={self._folder}"

    def create(self) -> None:
        """Create an empty cluster. Its superuser needs no password: the socket is in a private folder."""
        subprocess.run(
            [_require("initdb"), "-D", self._data, "-U", "postgres", "--auth=trust", "--no-sync"],
            check=True,
            capture_output=True,
            user=self._user,
            cwd="/",
        )

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        self._process = subprocess.Popen(
            [_require("postgres"), "-D", self._data, "-k", str(self._folder), "-c", "listen_addresses="],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._user,
            cwd="/",
        )
        deadline = time.monotonic() + WAIT
        while subprocess.run([_require("pg_isready"), "-h", str(self._folder)], capture_output=True).returncode:
            assert time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """Close every connection and stop (SIGINT, "fast" shutdown)."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """Stop without a checkpoint (SIGQUIT): the next start recovers from the write-ahead log."""
        self._end(signal.SIGQUIT)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(WAIT)
        self._process = None

    @property
    def _data(self) -> str:
        return str(self._folder / "data")


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Create and start a server; remove it when the block ends."""
    with tempfile.TemporaryDirectory(prefix="sallyport-pg-") as folder:
        server = Postgres(Path(folder))
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.crash()


def _require(name: str) -> str:
    path = find_program(name)
    assert path is not None, f"{name} is not installed"
    return path
