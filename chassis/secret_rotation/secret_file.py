"""The file of a secret: one or two secrets, and a comment that says since when they are as they are.

A file is replaced at once, so a reader gets the old content or the new one. A file that is mounted into containers
must stay the same file: it is written in place, after a copy beside it, which completes it if the command dies.
"""

import fcntl
import math
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from chassis.secret_rotation.key_material import is_pem, public_part
from chassis.secret_rotation.rotation import Rotation, Step, Uptime
from contract.keys import UnusableKey
from contract.secret_list import split_secrets

_SINCE = re.compile(r"^# rotation: (published|signing) since (\S+)$", re.MULTILINE)
_UPTIME = re.compile(r"^# uptime: ([0-9a-f-]{1,64}) ([0-9]{1,12})$", re.MULTILINE)
_COPY_SUFFIX = ".next"
COMPLETION_SECONDS = 10.0
"""Longest time between the copy and the file for one command that writes both."""


class SecretFileError(Exception):
    """The file cannot be read or written, or its content is unusable. The message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class SecretFile:
    """The file of a secret. `in_place`: it is mounted into containers.

    With `publishes_keys`, the public keys of Ed25519 keys are written to a file beside it (public_path).
    """

    path: Path
    in_place: bool = False
    publishes_keys: bool = False

    @property
    def public_path(self) -> Path:
        """Return the file of the public keys: reports.public.pem for reports.pem."""
        return self.path.with_name(f"{self.path.stem}.public.pem")

    @property
    def copy_path(self) -> Path:
        """Return the file that a command has left if it died while it wrote in place."""
        return _copy_of(self.path.resolve())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands from changing files of the folder. Raises SecretFileError."""
        try:
            folder = os.open(self.path.resolve().parent, os.O_RDONLY)
        except OSError as error:
            raise SecretFileError(f"{self.path.parent} cannot be read: {error.strerror}") from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def read(self) -> Rotation:
        """Return the secrets and their step, after completing a half-written file. Raises SecretFileError."""
        self._complete_copy()
        return self.peek()

    def peek(self) -> Rotation:
        """Return the secrets and their step without any change. Raises SecretFileError."""
        try:
            text = self.path.read_text(encoding="utf-8")
            modified_at = self.path.stat().st_mtime
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise SecretFileError(f"{self.path} cannot be read: {reason}") from error
        try:
            secrets = split_secrets(text)
        except UnusableKey as error:
            raise SecretFileError(f"{self.path} {error}") from error
        found = _SINCE.search(text)
        if len(secrets) == 1:
            return Rotation(secrets, Step.SINGLE, modified_at)
        if found:
            return Rotation(secrets, Step(found[1]), self._time(found[2]), _uptime_in(text))
        raise SecretFileError(
            f"{self.path} contains two secrets and does not say which is new: begin it with the line "
            "`# rotation: signing since 2027-01-15T08:00:00Z` if the first is new, or `published` if the second is"
        )

    def write(self, rotation: Rotation) -> None:
        """Replace the content. Raises SecretFileError."""
        if self.publishes_keys and is_pem(rotation.secrets[0]):
            public = "\n".join(map(public_part, rotation.secrets))
            self._write(self.public_path, f"{public}\n".encode())
        lines = [*rotation.secrets]
        if rotation.step is not Step.SINGLE:  # readers in other languages may take the whole text for the secret
            at = datetime.fromtimestamp(rotation.since, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            comments = [f"# rotation: {rotation.step} since {at}"]
            if rotation.uptime:
                comments.append(f"# uptime: {rotation.uptime.boot} {math.ceil(rotation.uptime.seconds)}")
            lines = [*comments, *lines]
        self._write(self.path, ("\n".join(lines) + "\n").encode())

    def _write(self, path: Path, content: bytes) -> None:
        path = path.resolve()  # a symbolic link stays one, because other processes may read its target
        try:
            if self.in_place and path.exists():
                copy = _copy_of(path)
                _replace(copy, content, like=path)
                _overwrite(path, content)
                copy.unlink()
            else:
                _replace(path, content, like=self.path)
        except OSError as error:
            raise SecretFileError(f"{path} cannot be written: {error.strerror}") from error

    def _complete_copy(self) -> None:
        """Write a copy that a command has left when it died: the file itself may be half written.

        A file that was written much later than the copy is complete, and has other secrets: the copy is removed. So
        it is if the file is much older, because then nothing was written over it, or the clock was set back before.
        """
        with suppress(FileNotFoundError):
            try:
                copied_at = self.copy_path.stat().st_mtime
                if abs(self.path.stat().st_mtime - copied_at) < COMPLETION_SECONDS:
                    _overwrite(self.path, self.copy_path.read_bytes())
                self.copy_path.unlink()
            except FileNotFoundError:
                raise
            except OSError as error:
                raise SecretFileError(f"{self.path} cannot be written: {error.strerror}") from error

    def _time(self, text: str) -> float:
        try:
            return datetime.fromisoformat(text).timestamp()
        except ValueError as error:
            raise SecretFileError(f"{self.path}: {text!r} is not a time such as 2027-01-15T08:00:00Z") from error


def _uptime_in(text: str) -> Uptime | None:
    found = _UPTIME.search(text)
    return Uptime(found[1], float(found[2])) if found else None


def _copy_of(path: Path) -> Path:
    return path.with_name(f".{path.name}{_COPY_SUFFIX}")


def _overwrite(path: Path, content: bytes) -> None:
    """Write the content into the file that is there, in one call. It is shortened afterwards."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(descriptor, content, 0)
        os.ftruncate(descriptor, len(content))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(path: Path, content: bytes, *, like: Path) -> None:
    """Replace the file at once by one with the mode and the owner of `like`."""
    state = like.stat()
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), state.st_mode & 0o777)
            if os.geteuid() == 0:  # nobody else may give files away
                os.fchown(file.fileno(), state.st_uid, state.st_gid)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
