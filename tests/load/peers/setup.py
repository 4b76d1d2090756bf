"""The configuration that all peers share, so that they do the same work."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PeerSetup:
    """A folder, the ports of the upstream and of the key set's server, a Redis, and the verification key."""

    folder: Path
    upstream: int
    keys: int
    redis_url: str
    public_pem: str
    key_set: str

    @property
    def upstream_url(self) -> str:
        """Return the URL of the upstream, without a path."""
        return f"http://127.0.0.1:{self.upstream}"

    def write(self, name: str, text: str) -> Path:
        """Write a file in the folder, and return its path."""
        path = self.folder / name
        path.write_text(text)
        return path
