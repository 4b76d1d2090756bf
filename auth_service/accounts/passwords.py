"""Passwords: the rules for new ones, hashing and verification.

Hashing is slow by design, so it is limited. At most `max_running` hashes are computed at once, and the others wait in
order for at most `max_wait` seconds. A request that waits longer or finds the queue full gets 503. A waiting request
blocks no other one: gunicorn_conf.py adds a thread for each, and the thread holds no database connection. On Linux,
the hashing threads have a low priority.
"""

import os
import re
import sys
import threading
import unicodedata
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import TypeVar

from nacl.exceptions import InvalidkeyError
from nacl.pwhash import argon2id

MAX_PASSWORD = 256
"""Characters of a password. A longer one is refused before it is hashed."""

_NICENESS = 10
"""Added to the niceness of hashing threads: they get about a tenth of the processor time of a normal thread."""

_MAX_SIMILARITY = 0.7
"""As in Django. A password that is at least this similar to the e-mail address or to a part of it is refused."""
_COMMON_PASSWORDS = Path(__file__).with_name("common_passwords.txt")

_ARGON2ID = re.compile(r"\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{22,}")
"""A hash as it is stored: parameters, salt and hash (the PHC string format)."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class HashCost:
    """Parameters of argon2id: `time` in passes and `memory` in KiB, with one lane (RFC 9106 3.1)."""

    time: int
    memory: int

    @property
    def prefix(self) -> str:
        """Return the text with which every hash of this cost begins."""
        return f"$argon2id$v=19$m={self.memory},t={self.time},p=1$"


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """The result of a verification. `needs_rehash` means that the hashed password was not normalized (Unicode)."""

    is_right: bool
    needs_rehash: bool = False


class HashingBusy(Exception):
    """The queue of passwords to hash is full or too slow. The client may retry in a few seconds."""


@dataclass(frozen=True, slots=True)
class PendingCheck:
    """A verification that is running in a hashing thread."""

    _future: Future[PasswordCheck]
    _max_wait: float

    def result(self) -> PasswordCheck:
        """Wait for the result and return it. Raises HashingBusy if hashing does not begin in `max_wait` seconds."""
        return _wait_for(self._future, self._max_wait)


class Passwords:
    """Hashes and verifies passwords with argon2id.

    At most `max_running` hashes are computed at once, and `max_waiting` more wait for at most `max_wait` seconds
    each. A thread calls `release_connection` before it waits, so that it holds no database connection.
    """

    def __init__(
        self,
        cost: HashCost,
        *,
        max_running: int,
        max_waiting: int,
        max_wait: float = 5.0,
        release_connection: Callable[[], None] = lambda: None,
    ) -> None:
        self._cost = cost
        self._max_wait = max_wait
        self._release_connection = release_connection
        self._hashers = ThreadPoolExecutor(max_running, "hasher", initializer=_lower_priority)
        self._slots = threading.BoundedSemaphore(max_running + max_waiting)
        # Verified for unknown accounts, so that their refusal takes as long as that of known ones.
        self._dummy_hash = self._compute_hash("nobody has this password")

    def hash(self, password: str) -> str:
        """Return the hash to store. Raises HashingBusy."""
        with self._queued(lambda: self._compute_hash(password)) as future:
            return _wait_for(future, self._max_wait)

    def verify(self, password: str, password_hash: str | None) -> bool:
        """Return whether `password` has this hash; without a hash, False after the same time. Raises HashingBusy."""
        with self.verifying(password, password_hash) as pending:
            return pending.result().is_right

    @contextmanager
    def verifying(self, password: str, password_hash: str | None) -> Iterator[PendingCheck]:
        """Verify in a hashing thread while the block runs; yield the pending check. Raises HashingBusy."""
        # Imported accounts without a password have "" or "!...". They too need a real hash, to fail after the same
        # time.
        is_usable = password_hash is not None and _ARGON2ID.fullmatch(password_hash) is not None
        compared_hash = password_hash if password_hash is not None and is_usable else self._dummy_hash
        with self._queued(lambda: self._check(password, compared_hash, is_usable=is_usable)) as future:
            yield PendingCheck(future, self._max_wait)

    def check_queue(self) -> None:
        """Raise HashingBusy if the queue is full."""
        if not self._slots.acquire(blocking=False):
            raise HashingBusy
        self._slots.release()

    def is_outdated(self, password_hash: str) -> bool:
        """Return whether `password_hash` was made with another cost than the configured one."""
        return not password_hash.startswith(self._cost.prefix)

    def _compute_hash(self, password: str) -> str:
        password_hash = argon2id.str(
            normalized(password).encode(), opslimit=self._cost.time, memlimit=self._cost.memory * 1024
        )
        return password_hash.decode("ascii")

    def _check(self, password: str, password_hash: str, *, is_usable: bool) -> PasswordCheck:
        # Former versions hashed passwords without normalization. Both forms are always tried, even if the first is
        # right, so that the time depends only on the entered password.
        normal_form = normalized(password)
        matches_normal_form = self._matches(normal_form, password_hash)
        matches_input = self._matches(password, password_hash) if password != normal_form else False
        return PasswordCheck((matches_normal_form or matches_input) and is_usable, needs_rehash=matches_input)

    def _matches(self, password: str, password_hash: str) -> bool:
        try:
            return argon2id.verify(password_hash.encode(), password.encode())
        except InvalidkeyError:
            return False

    @contextmanager
    def _queued(self, work: Callable[[], Result]) -> Iterator[Future[Result]]:
        if not self._slots.acquire(blocking=False):
            raise HashingBusy
        try:
            self._release_connection()
            future = self._hashers.submit(work)
            try:
                yield future
            finally:
                future.cancel()  # no request waits for it any more
        finally:
            self._slots.release()


def _wait_for(future: Future[Result], max_wait: float) -> Result:
    try:
        return future.result(max_wait)
    except TimeoutError as error:
        if future.cancel():
            raise HashingBusy from error
    except CancelledError as error:
        raise HashingBusy from error
    return future.result()  # the hash is being computed, so the wait is short


def normalized(password: str) -> str:
    """Return the Unicode form (NFKC) in which a password is hashed. NIST SP 800-63B."""
    return unicodedata.normalize("NFKC", password)


def _lower_priority() -> None:
    if sys.platform != "linux":  # elsewhere setpriority changes the whole process
        return
    thread = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, min(os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS, 19))


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """The rules for new passwords: long enough, not common, not all digits, not similar to the e-mail address."""

    min_length: int

    def complaints(self, password: str, email: str) -> list[str]:
        """Return a text for each rule that `password` breaks, with the texts of Django."""
        password = normalized(password)
        checks = {
            f"This password is too short. It must contain at least {self.min_length} characters.": (
                len(password) < self.min_length
            ),
            "This password is too common.": password.lower() in _common_passwords(),
            "This password is entirely numeric.": password.isdigit(),
            "The password is too similar to the email.": _is_similar(password.lower(), email.lower()),
        }
        return [complaint for complaint, applies in checks.items() if applies]


@cache
def _common_passwords() -> Collection[str]:
    lines = _COMMON_PASSWORDS.read_text(encoding="ascii").splitlines()
    return frozenset(line for line in lines if not line.startswith("# "))


def _is_similar(password: str, email: str) -> bool:
    parts = [part for part in (*re.split(r"\W+", email), email) if part]
    return any(_similarity(password, part) >= _MAX_SIMILARITY for part in parts)


def _similarity(password: str, part: str) -> float:
    # As in Django: a part that is much shorter than the password cannot be similar, and a comparison is slow.
    if len(password) >= 10 * len(part):
        return 0.0
    return SequenceMatcher(a=password, b=part).quick_ratio()
