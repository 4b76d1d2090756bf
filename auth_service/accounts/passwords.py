"""Owns passwords: which are accepted, and how they are hashed and verified.

Hashing is slow by design, so it is bounded: some run, and the others wait for at most `max_wait` seconds, first come,
first served. A log-in that waits longer, or finds the queue full, is refused with 503. Those that wait have threads
of their own (gunicorn_conf.py) and hold no connection to the database, so that refreshes find both. Passwords are
hashed by threads that yield the processors to whatever else there is to do.
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
"""Characters. What is longer is refused before it is hashed."""

_NICENESS = 10
"""A thread that steps back by 10 gets a tenth of what others get, and everything where nobody else wants it."""

_MAX_SIMILARITY = 0.7
_COMMON_PASSWORDS = Path(__file__).with_name("common_passwords.txt")


_ARGON2ID = re.compile(r"\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{22,}")

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class HashCost:
    """argon2id's parameters: passes and KiB of memory, in one lane. RFC 9106 3.1."""

    time: int
    memory: int

    @property
    def prefix(self) -> str:
        """How every hash of this cost begins."""
        return f"$argon2id$v=19$m={self.memory},t={self.time},p=1$"


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether a password is right; `is_renewable` where its hash was made of the form in which it was typed."""

    is_right: bool
    is_renewable: bool = False


class HashingBusy(Exception):
    """The queue of passwords to hash is full, or too slow. Try again in a few seconds."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password is right, once it was hashed."""

    _future: Future[Judged]
    _max_wait: float

    def result(self) -> Judged:
        """Waits for the verdict. Raises HashingBusy where the hashing has not begun in time."""
        return _awaited(self._future, self._max_wait)


class Passwords:
    """Hashes and verifies with argon2id, at most `running` at once; `waiting` more wait, for `max_wait` seconds each.

    `release` is called before a thread waits: it gives back the connection to the database, which others need.
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
        self._hashers = ThreadPoolExecutor(running, "hasher", initializer=_step_back)
        self._admitted = threading.BoundedSemaphore(running + waiting)
        # Verified for accounts that do not exist, so that they take as long to refuse as those that do.
        self._hash_of_nobody = self._hashed("nobody has this password")

    def hash(self, password: str) -> str:
        """The hash to store. Raises HashingBusy."""
        with self._in_turn(lambda: self._hashed(password)) as made:
            return _awaited(made, self._max_wait)

    def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether `password` made `password_hash`; without a hash, False after the same time. Raises HashingBusy."""
        with self.verifying(password, password_hash) as verdict:
            return verdict.result().is_right

    @contextmanager
    def verifying(self, password: str, password_hash: str | None) -> Iterator[Verdict]:
        """As verify, for whoever has something to do in that time: within it the answer is on its way."""
        # What is no hash (imported accounts without a usable password have "" or "!...") would be refused sooner.
        is_usable = password_hash is not None and _ARGON2ID.fullmatch(password_hash) is not None
        judged_by = password_hash if password_hash is not None and is_usable else self._hash_of_nobody
        with self._in_turn(lambda: self._judged(password, judged_by, is_usable=is_usable)) as future:
            yield Verdict(future, self._max_wait)

    def check_room(self) -> None:
        """Returns where a password could be hashed or wait now. Raises HashingBusy."""
        if not self._admitted.acquire(blocking=False):
            raise HashingBusy
        self._admitted.release()

    def is_outdated(self, password_hash: str) -> bool:
        """Whether `password_hash` was made at another cost than today's."""
        return not password_hash.startswith(self._cost.prefix)

    def _hashed(self, password: str) -> str:
        made = argon2id.str(
            normalized(password).encode(), opslimit=self._cost.time, memlimit=self._cost.memory * 1024
        )
        return made.decode("ascii")

    def _judged(self, password: str, password_hash: str, *, is_usable: bool) -> Judged:
        # Hashes of former versions were made of passwords as they were typed. Both forms are always tried, also when
        # the first is right: how long it takes depends on the password that was typed and on nothing else.
        now, before = normalized(password), password
        is_right = self._matches(now, password_hash)
        was_right = self._matches(before, password_hash) if before != now else False
        return Judged((is_right or was_right) and is_usable, is_renewable=was_right)

    def _matches(self, password: str, password_hash: str) -> bool:
        try:
            return argon2id.verify(password_hash.encode(), password.encode())
        except InvalidkeyError:
            return False

    @contextmanager
    def _in_turn(self, work: Callable[[], Answer]) -> Iterator[Future[Answer]]:
        if not self._admitted.acquire(blocking=False):
            raise HashingBusy
        try:
            self._release()
            future = self._hashers.submit(work)
            try:
                yield future
            finally:
                future.cancel()  # nobody waits for it any more
        finally:
            self._admitted.release()


def _awaited(future: Future[Answer], max_wait: float) -> Answer:
    try:
        return future.result(max_wait)
    except TimeoutError as error:
        if future.cancel():
            raise HashingBusy from error
    except CancelledError as error:
        raise HashingBusy from error
    return future.result()  # it is being hashed: the end is near


def normalized(password: str) -> str:
    """The form in which a password is hashed, however a keyboard composes its letters. NIST SP 800-63B."""
    return unicodedata.normalize("NFKC", password)


def _step_back() -> None:
    if sys.platform != "linux":  # elsewhere it would be the whole process
        return
    thread = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, min(os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS, 19))


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """Which passwords are accepted: long enough, not a common one, not all digits, not the e-mail address."""

    min_length: int

    def complaints(self, password: str, email: str) -> list[str]:
        """What is wrong with `password`, in Django's words and order; empty when nothing is."""
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
    # A part much shorter than the password cannot be most of it, and comparing would only take time.
    if len(password) >= 10 * len(part):
        return 0.0
    return SequenceMatcher(a=password, b=part).quick_ratio()
