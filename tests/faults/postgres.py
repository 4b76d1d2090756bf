"""A private PostgreSQL on a unix socket that a test can stop and start."""

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

from tests.faults.part import WAIT

# Debian keeps the programs of each version apart, and only some of them on PATH.
_PLACES = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))])


def program(name: str) -> str | None:
    """Return the path of a PostgreSQL program; None if it is not installed."""
    return shutil.which(name, path=_PLACES)


class Postgres:
    """A PostgreSQL server. Its data survive a stop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        # The server refuses to run as root, so its folder belongs to somebody else then.
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user is not None:
            os.chown(folder, pwd.getpwnam(self._user).pw_uid, -1)

    @property
    def url(self) -> str:
        """The DATABASE_URL of a database."""
        return f"postgresql://postgres@/postgres?host={self._folder}"

    def create(self) -> None:
        """Create an empty cluster. Its superuser needs no password, because only the socket's folder gives access."""
        subprocess.run(
            [_found("initdb"), "-D", self._data, "-U", "postgres", "--auth=trust", "--no-sync"],
            check=True,
            capture_output=True,
            user=self._user,
            cwd="/",
        )

    def start(self) -> None:
        """Start it and return once it accepts connections."""
        self._process = subprocess.Popen(
            [_found("postgres"), "-D", self._data, "-k", str(self._folder), "-c", "listen_addresses="],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._user,
            cwd="/",
        )
        deadline = time.monotonic() + WAIT
        while subprocess.run([_found("pg_isready"), "-h", str(self._folder)], capture_output=True).returncode:
            assert time.monotonic() < deadline, "PostgreSQL does not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it and break off every connection (SIGINT: "fast" shutdown)."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """End it without writing (SIGQUIT): the next start recovers from its log."""
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
    """A server that runs until the block ends."""
    with tempfile.TemporaryDirectory(prefix="sallyport-pg-") as folder:
        server = Postgres(Path(folder))
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.crash()


def _found(name: str) -> str:
    found = program(name)
    assert found is not None, f"{name} is not installed"
    return found
