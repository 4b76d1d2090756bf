"""The folder of the edge: HAProxy's configuration in three files, the maps, and the public keys.

HAProxy reads every `*.cfg` file of the folder, in the order of their names. Only the file with the identity secrets
holds a secret; nobody but its owner may read it.
"""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

_PRIVATE, _PUBLIC = 0o600, 0o644


class EdgeFolder:
    """The folder `path`, which is made if it is missing."""

    def __init__(self, path: Path) -> None:
        # HAProxy identifies a map by the path in its configuration, so that path must not depend on the working
        # directory.
        self.path = path.resolve()
        self.secrets = self.path / "10-secrets.cfg"
        self.keys = self.path / "20-keys.cfg"
        self.configuration = self.path / "30-sallyport.cfg"
        self.routes_map = self.path / "routes.map"
        self.revoked_map = self.path / "revoked.map"
        """The sessions and subjects that were revoked. The file is empty: `gateway edge sync` fills the map."""
        self.state_map = self.path / "state.map"
        """Holds `valid_until`, the time until which the edge may decide requests; empty in the file."""
        self.keys_map = self.path / "keys.map"
        """The map from the header of a token to the file of its key."""
        self.socket = self.path / "haproxy.sock"
        """HAProxy's runtime socket."""
        self.master_socket = self.path / "master.sock"
        """The socket of HAProxy's master process (`-S`), which reloads the configuration."""

    def prepare(self) -> None:
        """Make the folder, and the maps that have no lines in their files. Raises OSError."""
        self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
        for file in (self.revoked_map, self.state_map):
            self.write(file, [])

    def write(self, file: Path, lines: Iterable[str], *, private: bool = False) -> bool:
        """Replace `file` atomically. Return whether its content has changed. Raises OSError."""
        text = "".join(f"{line}\n" for line in lines)
        mode = _PRIVATE if private else _PUBLIC
        try:
            if file.read_text("utf-8") == text and file.stat().st_mode & 0o777 == mode:
                return False
        except OSError:  # it is missing, or cannot be read; writing it says why
            pass
        descriptor, name = tempfile.mkstemp(dir=self.path, prefix=f".{file.name}.")
        try:
            os.fchmod(descriptor, mode)
            with open(descriptor, "w", encoding="utf-8") as written:
                written.write(text)
            os.replace(name, file)
        except OSError:
            os.unlink(name)
            raise
        return True
