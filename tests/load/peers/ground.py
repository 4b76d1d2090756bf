"""What every peer stands on, so that all do the same work."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ground:
    """A folder, the port of the upstream and of whoever serves the key set, a Redis, the key that verifies."""

    folder: Path
    upstream: int
    keys: int
    redis_url: str
    public_pem: str
    key_set: str

    @property
    def upstream_url(self) -> str:
        """Of the upstream, without a path."""
        return f"http://127.0.0.1:{self.upstream}"

    def write(self, name: str, text: str) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.write_text(text)
        return path
