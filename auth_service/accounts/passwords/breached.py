"""Breached passwords: find a password in a local copy of the list that haveibeenpwned.com publishes.

The list has the SHA-1 hash of each password and a count, either in one file of lines `HASH:COUNT`, sorted by hash, or
in a folder with a file for each range: `ABCDE.txt` has lines `SUFFIX:COUNT` for the hashes that begin with `ABCDE`.
No password and no part of a hash leaves this machine.

Failure policy: a list that is missing or malformed stops the start. If it cannot be read later, the password counts
as not found, and the log has an error.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import structlog

from auth_service.accounts.passwords.hash_schemes import normalized
from auth_service.accounts.passwords.sorted_hashes import MalformedHashes, check_sorted, count_of

_log = structlog.get_logger("passwords")

_SHA1_LENGTH = 40
"""Hexadecimal digits of a hash."""
_PREFIX_LENGTH = 5
"""Hexadecimal digits of a hash that name the file of its range."""
_RANGE_FILE = re.compile(r"[0-9A-F]{5}\.txt")
_CHECKED_RANGES = 16
"""Range files that check_breach_list reads. A whole list has 1,048,576."""


def check_breach_list(path: Path) -> None:
    """Check that `path` is a list of breached passwords. Raises ValueError with the reason."""
    try:
        if path.is_dir():
            _check_ranges(path)
        else:
            check_sorted(path, _SHA1_LENGTH)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error


def _check_ranges(folder: Path) -> None:
    checked = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if not _RANGE_FILE.fullmatch(entry.name):
                continue
            try:
                check_sorted(Path(entry.path), _SHA1_LENGTH - _PREFIX_LENGTH)
            except MalformedHashes as error:
                raise ValueError(f"has a malformed file: {entry.name} {error}") from error
            checked += 1
            if checked == _CHECKED_RANGES:
                return
    if not checked:
        raise ValueError("must be a folder with files such as 21BD1.txt, or a file; the folder has no such file")


@dataclass(frozen=True, slots=True)
class BreachedPasswords:
    """A list of breached passwords. One with a count below `min_count` does not count as breached."""

    path: Path
    min_count: int

    def contains(self, password: str) -> bool:
        """Return whether the list has the password, as it was typed or in its Unicode normal form."""
        return any(self._is_listed(form) for form in {password, normalized(password)})

    def _is_listed(self, password: str) -> bool:
        try:
            return self._count(password) >= self.min_count
        except (OSError, MalformedHashes) as error:
            # Without the text of an OSError, which may have the name of a range: a part of the password's hash.
            reason = error.strerror if isinstance(error, OSError) else str(error)
            _log.error("breached_passwords_unreadable", path=str(self.path), error=reason)
            return False

    def _count(self, password: str) -> int:
        digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        if not self.path.is_dir():
            return count_of(self.path, digest)
        return count_of(self.path / f"{digest[:_PREFIX_LENGTH]}.txt", digest[_PREFIX_LENGTH:])
