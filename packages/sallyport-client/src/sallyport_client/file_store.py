"""A token store in a file that only its owner can read, and that several processes may share."""

import contextlib
import glob
import json
import os
import tempfile
import time
from pathlib import Path

from sallyport_client.errors import StoreError
from sallyport_client.tokens import Tokens

_ABANDONED_SECONDS = 3600
"""The age at which a temporary file is one of a process that was killed: writing takes milliseconds."""


class FileStore:
    """Keeps the tokens in the file at `path`, with mode 0600. Missing folders are created with mode 0700.

    A new file replaces the old one in one step (rename(2)), after it was written to the disk completely. A process
    that is killed at any moment leaves either the old tokens or the new ones. Processes may share the file without a
    lock.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # resolve: os.replace() would replace a symbolic link, and not the file that it names.
        self._path = Path(path).expanduser().resolve()

    def load(self) -> Tokens | None:
        """Return the stored tokens; None if the file is missing or empty. Raises StoreError."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self._path} cannot be read: {error.strerror}") from error
        return self._parse(content) if content.strip() else None

    def save(self, tokens: Tokens) -> None:
        """Replace the file. Raises StoreError; the file then still has the earlier tokens."""
        content = json.dumps({"access": tokens.access, "refresh": tokens.refresh}).encode() + b"\n"
        try:
            self._make_folders()
            self._remove_abandoned_files()
            self._replace(content)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written: {error.strerror}") from error

    def clear(self) -> None:
        """Remove the file. Raises StoreError."""
        try:
            self._path.unlink(missing_ok=True)
            self._remove_abandoned_files()
        except OSError as error:
            raise StoreError(f"{self._path} cannot be removed: {error.strerror}") from error

    def _parse(self, content: bytes) -> Tokens:
        try:
            document = json.loads(content)
            access, refresh = document["access"], document["refresh"]
        except (ValueError, KeyError, TypeError) as error:
            raise self._no_token_file() from error
        if not isinstance(access, str) or not isinstance(refresh, str):
            raise self._no_token_file()
        return Tokens(access, refresh)

    def _no_token_file(self) -> StoreError:
        return StoreError(f"{self._path} contains no tokens; remove it and log in again, or name another file")

    def _replace(self, content: bytes) -> None:
        # mkstemp creates the file with mode 0600, and fails if it exists.
        descriptor, name = tempfile.mkstemp(prefix=self._prefix, suffix=".tmp", dir=self._path.parent)
        try:
            try:
                _write(descriptor, content)
                # Without it, the new name could survive a power failure without the content.
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(name, self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise

    def _make_folders(self) -> None:
        # mkdir(parents=True) would create the parents with the mode that the umask leaves.
        for folder in reversed((self._path.parent, *self._path.parent.parents)):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)

    def _remove_abandoned_files(self) -> None:
        """Remove the temporary files of processes that were killed. They contain tokens."""
        for file in self._path.parent.glob(f"{glob.escape(self._prefix)}*.tmp"):
            with contextlib.suppress(OSError):  # another process removed it
                if file.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                    file.unlink()

    @property
    def _prefix(self) -> str:
        return f".{self._path.name}."


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
