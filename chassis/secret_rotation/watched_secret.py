"""A secret setting whose file is read again when it changes, so that a secret is replaced without a restart.

The file is looked at once a second while the secret is in use. Failure policy: a file that cannot be read or has an
unusable secret changes nothing, and is logged; the last usable secrets stay in use.
"""

import time
from collections.abc import Callable, Sequence
from os import stat_result
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from chassis.clock import Clock
from chassis.settings import Settings
from contract.jws import BadSignature
from contract.keys import secret_id
from contract.secret_list import shared_secrets, verify_with_any

CHECK_SECONDS = 1.0
"""Seconds between two looks at a file."""

_log = structlog.get_logger("secrets")

Value = TypeVar("Value")
Verified = TypeVar("Verified")


class WatchedSecret(Generic[Value]):
    """What `read` returns for the text of a secret setting. Without a `file`, the text never changes.

    `read` raises ValueError for an unusable text; the first one must be usable. `names` returns the ids of the keys
    in a value, for the log. `monotonic` returns seconds.
    """

    def __init__(
        self,
        setting: str,
        text: str,
        file: Path | None,
        read: Callable[[str], Value],
        *,
        names: Callable[[Value], Sequence[str]] = lambda _: (),
        monotonic: Clock = time.monotonic,
    ) -> None:
        self._setting = setting
        self._text = text
        self._file = file
        self._read = read
        self._names = names
        self._monotonic = monotonic
        self._value = read(text)
        self._state: tuple[int, ...] = ()
        self._reported: str | None = None
        self._checked_at = monotonic()

    def current(self) -> Value:
        """Return the value. Look at the file if that was CHECK_SECONDS ago."""
        if self._file is not None and self._monotonic() - self._checked_at >= CHECK_SECONDS:
            self.check()
        return self._value

    def has_changed_since(self, value: Value) -> bool:
        """Look at the file now. Return whether the value is another one than `value`, which was used before."""
        self.check()
        return self._value is not value

    def check(self) -> bool:
        """Look at the file now. Return whether the value has changed."""
        if self._file is None:
            return False
        self._checked_at = self._monotonic()
        try:
            state = _state(self._file.stat())
            if state == self._state:
                return False
            text = self._file.read_text(encoding="utf-8").strip()
            self._state = state
            value = self._value if text == self._text else self._read(text)
        except (OSError, ValueError) as error:
            self._report(error.strerror if isinstance(error, OSError) else str(error))
            return False
        self._reported = None
        if text == self._text:
            return False
        self._text, self._value = text, value
        _log.info("secret_loaded", setting=self._setting, keys=list(self._names(value)))
        return True

    def _report(self, reason: str | None) -> None:
        if reason != self._reported:
            _log.error("secret_rejected", setting=self._setting, file=str(self._file), error=reason)
            self._reported = reason


Secrets = WatchedSecret[tuple[str, ...]]
"""Shared secrets. The first one signs, and each of them verifies."""


def watched_secrets(settings: Settings, name: str) -> Secrets:
    """Return the shared secrets of the field `name`."""
    text: str = getattr(settings, name).get_secret_value()
    return WatchedSecret(name.upper(), text, settings.secret_file(name), shared_secrets, names=_ids)


def verify_with(secrets: Secrets, verify: Callable[[str], Verified]) -> Verified:
    """Return `verify(secret)` for the secret that signed the token. Raises what `verify` raises.

    If no secret has signed it, the file is looked at: the sender may have read a new one less than a second ago.
    """
    used = secrets.current()
    try:
        return verify_with_any(used, verify)
    except BadSignature:
        if not secrets.has_changed_since(used):  # perhaps by another thread
            raise
    return verify_with_any(secrets.current(), verify)


def _ids(secrets: Sequence[str]) -> Sequence[str]:
    return [secret_id(secret) for secret in secrets]


def _state(found: stat_result) -> tuple[int, ...]:
    return (found.st_mtime_ns, found.st_ino, found.st_size)
