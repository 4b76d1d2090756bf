"""The hashing queue: hash and verify passwords in a few threads.

Hashing is slow by design, so it is limited. At most `max_running` hashes are computed at once, and the others wait in
order for at most `max_wait` seconds. A request that waits longer or finds the queue full gets 503. A waiting request
blocks no other one: gunicorn_conf.py adds a thread for each, and the thread holds no database connection. On Linux,
the hashing threads have a low priority.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from auth_service.accounts.passwords.hash_schemes import (
    WRONG,
    Argon2id,
    HashCost,
    HashScheme,
    PasswordCheck,
    normalized,
)

_NICENESS = 10
"""Added to the niceness of hashing threads: they get about a tenth of the processor time of a normal thread."""

Result = TypeVar("Result")


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
    """Hashes passwords with argon2id. Verifies them with argon2id or the scheme in `foreign_schemes` of their hash.

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
        foreign_schemes: Sequence[HashScheme] = (),
    ) -> None:
        self._argon2id = Argon2id(cost)
        self._schemes: Sequence[HashScheme] = (self._argon2id, *foreign_schemes)
        self._max_wait = max_wait
        self._release_connection = release_connection
        self._hashers = ThreadPoolExecutor(max_running, "hasher", initializer=_lower_priority)
        self.max_pending = max_running + max_waiting
        """Maximum number of hashes that are being computed or wait."""
        self._pending: set[Future[Any]] = set()
        self._slots = threading.BoundedSemaphore(self.max_pending)
        # Verified for unknown accounts, so that their refusal takes as long as that of known ones.
        self._dummy_hash = self._compute_hash("nobody has this password")

    @property
    def pending(self) -> int:
        """Return the number of hashes that are being computed or wait."""
        return len(self._pending)

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
        with self._queued(lambda: self._check(password, password_hash or "")) as future:
            yield PendingCheck(future, self._max_wait)

    def check_queue(self) -> None:
        """Raise HashingBusy if the queue is full."""
        if not self._slots.acquire(blocking=False):
            raise HashingBusy
        self._slots.release()

    def _compute_hash(self, password: str) -> str:
        return self._argon2id.hash(normalized(password))

    def _check(self, password: str, stored: str) -> PasswordCheck:
        scheme = next((scheme for scheme in self._schemes if scheme.recognizes(stored)), None)
        if scheme is None:
            # Imported accounts without a password have "" or "!...". They too need a real hash, to fail after the
            # same time.
            self._check_forms(self._argon2id, password, self._dummy_hash)
            return WRONG
        return self._check_forms(scheme, password, stored)

    def _check_forms(self, scheme: HashScheme, password: str, stored: str) -> PasswordCheck:
        # Former versions and other systems hashed passwords without normalization. Both forms are always tried, even
        # if the first is right, so that the time depends only on the entered password.
        normal_form = normalized(password)
        check = scheme.verify(stored, normal_form)
        typed = scheme.verify(stored, password) if password != normal_form else WRONG
        return PasswordCheck(check.is_right or typed.is_right, needs_rehash=check.needs_rehash or typed.is_right)

    @contextmanager
    def _queued(self, work: Callable[[], Result]) -> Iterator[Future[Result]]:
        if not self._slots.acquire(blocking=False):
            raise HashingBusy
        try:
            self._release_connection()
            future = self._hashers.submit(work)
            self._pending.add(future)  # atomic, as `discard` is
            try:
                yield future
            finally:
                self._pending.discard(future)
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


def _lower_priority() -> None:
    if sys.platform != "linux":  # elsewhere setpriority changes the whole process
        return
    thread = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, min(os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS, 19))
