"""Passwords: which are accepted, and how they are hashed and verified.

Hashing is slow by design, so it is bounded: at most `running` hashes are computed at once, and the others wait in
order for at most `max_wait` seconds. A request that waits longer or finds the queue full gets 503. Requests that wait
have threads of their own (gunicorn_conf.py) and hold no database connection, so that refreshes find both. The hashing
threads have a low priority.
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
"""Characters. A longer password is refused before it is hashed."""

_NICENESS = 10
"""A thread with niceness 10 gets a tenth of the processor time of others, and all that they leave."""

_MAX_SIMILARITY = 0.7
_COMMON_PASSWORDS = Path(__file__).with_name("common_passwords.txt")


_ARGON2ID = re.compile(r"\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{22,}")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class HashCost:
    """argon2id's parameters: passes and KiB of memory, in one lane. RFC 9106 3.1."""

    time: int
    memory: int

    @property
    def prefix(self) -> str:
        """The beginning of every hash of this cost."""
        return f"$argon2id$v=19$m={self.memory},t={self.time},p=1$"


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """The result of a verification. `needs_rehash` if the hash is of the password without Unicode normalization."""

    is_right: bool
    needs_rehash: bool = False


class HashingBusy(Exception):
    """The queue of passwords to hash is full or too slow. The client may try again in a few seconds."""


@dataclass(frozen=True, slots=True)
class PendingCheck:
    """A verification that is running in a hashing thread."""

    _future: Future[PasswordCheck]
    _max_wait: float

    def result(self) -> PasswordCheck:
        """Wait for the result and return it. Raises HashingBusy if the hashing has not begun in time."""
        return _wait_for(self._future, self._max_wait)


class Passwords:
    """Hashes and verifies with argon2id: `running` at once, while `waiting` more wait for `max_wait` seconds each.

    `release` is called before a thread waits: it gives the thread's database connection back.
    """

    def __init__(
        self,
        cost: HashCost,
        *,
        running: int,
        waiting: int,
        max_wait: float = 5.0,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        self._cost = cost
        self._max_wait = max_wait
        self._release = release
        self._hashers = ThreadPoolExecutor(running, "hasher", initializer=_lower_priority)
        self._admitted = threading.BoundedSemaphore(running + waiting)
        # Verified for unknown accounts, so that they take as long to refuse as known ones.
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
        """Verify in the background while the block runs. Raises HashingBusy."""
        # Imported accounts without a usable password have "" or "!..."; without a real hash they would fail sooner.
        is_usable = password_hash is not None and _ARGON2ID.fullmatch(password_hash) is not None
        compared_hash = password_hash if password_hash is not None and is_usable else self._dummy_hash
        with self._queued(lambda: self._check(password, compared_hash, is_usable=is_usable)) as future:
            yield PendingCheck(future, self._max_wait)

    def check_room(self) -> None:
        """Raise HashingBusy if the queue is full."""
        if not self._admitted.acquire(blocking=False):
            raise HashingBusy
        self._admitted.release()

    def is_outdated(self, password_hash: str) -> bool:
        """Return whether `password_hash` has another cost than the configured one."""
        return not password_hash.startswith(self._cost.prefix)

    def _compute_hash(self, password: str) -> str:
        password_hash = argon2id.str(
            normalized(password).encode(), opslimit=self._cost.time, memlimit=self._cost.memory * 1024
        )
        return password_hash.decode("ascii")

    def _check(self, password: str, password_hash: str, *, is_usable: bool) -> PasswordCheck:
        # Former versions hashed passwords without normalization. Both forms are always tried, also when the first is
        # right: the time depends on the entered password alone.
        form = normalized(password)
        matches_form = self._matches(form, password_hash)
        matches_input = self._matches(password, password_hash) if password != form else False
        return PasswordCheck((matches_form or matches_input) and is_usable, needs_rehash=matches_input)

    def _matches(self, password: str, password_hash: str) -> bool:
        try:
            return argon2id.verify(password_hash.encode(), password.encode())
        except InvalidkeyError:
            return False

    @contextmanager
    def _queued(self, work: Callable[[], Result]) -> Iterator[Future[Result]]:
        if not self._admitted.acquire(blocking=False):
            raise HashingBusy
        try:
            self._release()
            future = self._hashers.submit(work)
            try:
                yield future
            finally:
                future.cancel()  # the request no longer waits for it
        finally:
            self._admitted.release()


def _wait_for(future: Future[Result], max_wait: float) -> Result:
    try:
        return future.result(max_wait)
    except TimeoutError as error:
        if future.cancel():
            raise HashingBusy from error
    except CancelledError as error:
        raise HashingBusy from error
    return future.result()  # it is running and will end soon


def normalized(password: str) -> str:
    """Return the Unicode form (NFKC) in which a password is hashed. NIST SP 800-63B."""
    return unicodedata.normalize("NFKC", password)


def _lower_priority() -> None:
    if sys.platform != "linux":  # elsewhere it would change the whole process
        return
    thread = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, min(os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS, 19))


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """The rules for new passwords: long enough, not common, not all digits, not similar to the e-mail address."""

    min_length: int

    def complaints(self, password: str, email: str) -> list[str]:
        """Return what is wrong with `password`, in Django's words and order."""
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
    # A part much shorter than the password cannot be similar, and comparing takes time.
    if len(password) >= 10 * len(part):
        return 0.0
    return SequenceMatcher(a=password, b=part).quick_ratio()
