"""The keys that verify assertions: one, or two while the gateway's secret is replaced.

Two shared secrets are two lines; two public keys follow one another. Lines that begin with `# ` are comments. A file
is looked at once a second, so a replaced secret needs no restart. Failure policy: a file that cannot be read or has
an unusable secret changes nothing, and a warning is logged; the last usable keys stay in use.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from sallyport_service.assertion import BadSignature
from sallyport_service.keys import UnusableKey, VerificationKey, verification_key

MAX_KEYS = 2
"""The present key, and the next or the previous one."""

CHECK_SECONDS = 1.0
"""Seconds between two looks at the file."""

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_log = logging.getLogger("sallyport_service")

Verified = TypeVar("Verified")


def read_keys(secrets: str | Sequence[str]) -> tuple[VerificationKey, ...]:
    """Return the keys for a text with one or two secrets, or for a list of them. Raises UnusableKey."""
    found = _split(secrets) if isinstance(secrets, str) else [secret.strip() for secret in secrets]
    if len(found) > MAX_KEYS:
        raise UnusableKey(f"contains {len(found)} secrets; at most {MAX_KEYS} are accepted at a time")
    if len(set(found)) < len(found):
        raise UnusableKey("contains the same secret twice")
    return tuple(map(verification_key, found or [""]))


class KeyRing:
    """The keys in `secrets`, or in `file` if there is one. `monotonic` returns seconds. Raises UnusableKey."""

    def __init__(
        self,
        secrets: str | Sequence[str],
        file: str | os.PathLike[str] | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = read_keys(secrets)
        self._secrets = secrets
        self._file = Path(file) if file is not None else None
        self._monotonic = monotonic
        self._checked_at = monotonic()
        self._state: tuple[int, ...] = ()
        self._reported = ""

    def verify(self, verify: Callable[[VerificationKey], Verified]) -> Verified:
        """Return `verify(key)` for the key that signed the assertion. Raises what `verify` raises.

        If no key has signed it, the file is looked at: the gateway may have read a new secret a moment ago.
        """
        if self._file is not None and self._monotonic() - self._checked_at >= CHECK_SECONDS:
            self.check()
        used = self._keys
        try:
            return _verify_with_any(used, verify)
        except BadSignature:
            self.check()
            if self._keys is used:  # not changed by another thread either
                raise
        return _verify_with_any(self._keys, verify)

    def check(self) -> bool:
        """Look at the file now. Return whether the keys have changed."""
        if self._file is None:
            return False
        self._checked_at = self._monotonic()
        try:
            found = self._file.stat()
            state = (found.st_mtime_ns, found.st_ino, found.st_size)
            if state == self._state:
                return False
            text = self._file.read_text(encoding="utf-8").strip()
            self._state = state
            keys = self._keys if text == self._secrets else read_keys(text)
        except (OSError, ValueError) as error:
            self._report((error.strerror or "") if isinstance(error, OSError) else str(error))
            return False
        self._reported = ""
        if text == self._secrets:
            return False
        self._secrets, self._keys = text, keys
        _log.info("identity_secret_loaded keys=%d", len(keys))
        return True

    def _report(self, reason: str) -> None:
        if reason != self._reported:
            _log.warning("identity_secret_rejected file=%s reason=%r", self._file, reason)
            self._reported = reason


def _verify_with_any(keys: Sequence[VerificationKey], verify: Callable[[VerificationKey], Verified]) -> Verified:
    failure = BadSignature()
    for key in keys:
        try:
            return verify(key)
        except BadSignature as error:
            failure = error
    raise failure


def _split(text: str) -> list[str]:
    if "-----BEGIN " in text:
        return [block[0] for block in _PEM.finditer(text)] or [text]
    return [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("# ")]
