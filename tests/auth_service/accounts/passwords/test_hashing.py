"""Password hashes: what verifies, what a log-in replaces, and the limits of the hashing queue."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from nacl.pwhash import argon2id

from auth_service.accounts.passwords.hash_schemes import WRONG, HashCost, PasswordCheck
from auth_service.accounts.passwords.hashing import HashingBusy, Passwords
from auth_service.settings import SECURE_HASH

CHEAP = HashCost(time=1, memory=8)


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    """Return a Passwords with a low hash cost, so that tests are fast."""
    return Passwords(CHEAP, max_running=2, max_waiting=1)


def test_a_password_verifies_only_against_its_own_hash(passwords: Passwords) -> None:
    stored = passwords.hash("pässwörter")
    assert passwords.verify("pässwörter", stored)
    assert not passwords.verify("Pässwörter", stored)
    assert not passwords.verify("nobody has this password", None)
    assert not passwords.verify("pässwörter", "no hash at all")


COMPOSED, DECOMPOSED = "p\u00e4ssw\u00f6rter", "pa\u0308sswo\u0308rter"


@pytest.mark.parametrize(
    ("set_password", "entered"),
    [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED), ("\uff50\u00e4ssw\u00f6rter", COMPOSED)],
)
def test_a_password_verifies_in_every_unicode_form(passwords: Passwords, set_password: str, entered: str) -> None:
    """NIST SP 800-63B: keyboards and systems compose letters differently."""
    assert passwords.verify(entered, passwords.hash(set_password))


def test_a_hash_without_normalization_verifies_the_entered_password(passwords: Passwords) -> None:
    """The result tells the caller to replace the hash."""
    stored = argon2id.str(DECOMPOSED.encode(), opslimit=1, memlimit=8192).decode()
    with passwords.verifying(DECOMPOSED, stored) as pending:
        assert pending.result() == PasswordCheck(is_right=True, needs_rehash=True)
    with passwords.verifying(COMPOSED, passwords.hash(DECOMPOSED)) as pending:
        assert pending.result() == PasswordCheck(is_right=True)


def test_the_time_of_a_verification_depends_only_on_the_entered_password(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of verified hashes is the same without a hash and with a hash of either Unicode form."""
    hashes = [None, passwords.hash(COMPOSED), argon2id.str(DECOMPOSED.encode(), opslimit=1, memlimit=8192).decode()]
    verified: list[bytes] = []
    verify = argon2id.verify

    def recording_verify(password_hash: bytes, password: bytes) -> bool:
        verified.append(password)
        return verify(password_hash, password)

    monkeypatch.setattr(argon2id, "verify", recording_verify)
    for password, times in ((DECOMPOSED, 2), (COMPOSED, 1), ("wrong", 1), ("wro\u0308ng", 2)):
        for stored in hashes:
            verified.clear()
            passwords.verify(password, stored)
            assert len(verified) == times


def test_two_hashes_of_one_password_differ(passwords: Passwords) -> None:
    assert passwords.hash("the same") != passwords.hash("the same")


def test_the_cost_is_argon2id_at_the_recommended_minimum() -> None:
    """OWASP Password Storage Cheat Sheet: 19 MiB, two iterations, one lane."""
    passwords = Passwords(SECURE_HASH, max_running=1, max_waiting=0)
    assert passwords.hash("x").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def checked(passwords: Passwords, password: str, stored: str) -> PasswordCheck:
    with passwords.verifying(password, stored) as pending:
        return pending.result()


def test_a_hash_of_another_cost_needs_a_new_one(passwords: Passwords) -> None:
    costlier = Passwords(HashCost(time=2, memory=8), max_running=1, max_waiting=0)
    stored = passwords.hash("x")
    assert checked(passwords, "x", stored) == PasswordCheck(is_right=True)
    assert checked(costlier, "x", stored) == PasswordCheck(is_right=True, needs_rehash=True)
    assert checked(costlier, "y", stored) == WRONG


class ReversedText:
    """A scheme of another system, for tests: the stored hash is "reversed$" and the reversed password."""

    def recognizes(self, stored: str) -> bool:
        """Return whether `stored` has the prefix."""
        return stored.startswith("reversed$")

    def verify(self, stored: str, password: str) -> PasswordCheck:
        """Return whether `password` is the reversed text. Its hash is always replaced."""
        is_right = stored.removeprefix("reversed$") == password[::-1]
        return PasswordCheck(is_right, needs_rehash=is_right)


def test_a_foreign_hash_is_verified_by_its_scheme_and_needs_a_new_one() -> None:
    """In the typed form too, because other systems do not normalize passwords."""
    passwords = Passwords(CHEAP, max_running=1, max_waiting=0, foreign_schemes=[ReversedText()])
    for password in ("right", DECOMPOSED, COMPOSED):
        stored = f"reversed${password[::-1]}"
        assert checked(passwords, password, stored) == PasswordCheck(is_right=True, needs_rehash=True)
        assert checked(passwords, "wrong", stored) == WRONG
    assert checked(passwords, "right", "unknown$thgir") == WRONG
    assert checked(passwords, "right", passwords.hash("right")) == PasswordCheck(is_right=True)


@pytest.mark.parametrize(
    "stored",
    [
        "$argon2id$v=19$m=8,t=1,p=1$WbVIrlnQ+vk9RKpf9CI5+Q$NYNmPqP6h+hz3Bwit4RTEUZhZidWt/rs1QLhVjsE4p8",
        "$argon2id$v=19$m=16,t=1,p=2$RKyhtt/FCRLPAMo8U7sI6A$9DPXvng43bHR0FQO0mzt0GTG1lgsTIkiHFyZFQFoC8A",
    ],
)
def test_hashes_of_other_libraries_are_verified(passwords: Passwords, stored: str) -> None:
    """argon2-cffi 25.1 made both hashes, the second one with two lanes."""
    assert passwords.verify("password", stored)
    assert not passwords.verify("passwort", stored)


def test_an_unknown_account_costs_the_same_work_as_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """For both, one hash of the same cost is verified, so the time does not reveal which accounts exist."""
    passwords = Passwords(CHEAP, max_running=1, max_waiting=0)
    stored = passwords.hash("right")
    verified, verify = [], argon2id.verify

    def recorded(password_hash: bytes, password: bytes) -> bool:
        verified.append(password_hash.rpartition(b"$")[0].rpartition(b"$")[0])  # without salt and hash
        return verify(password_hash, password)

    monkeypatch.setattr(argon2id, "verify", recorded)
    assert not passwords.verify("wrong", None)
    assert not passwords.verify("wrong", stored)
    assert verified == [CHEAP.prefix.removesuffix("$").encode()] * 2


def test_a_full_hashing_queue_refuses_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four passwords two are hashed, one waits and the fourth is refused. Then the queue has room again."""
    passwords = Passwords(CHEAP, max_running=2, max_waiting=1)
    hashing, release = threading.Semaphore(0), threading.Event()

    def slow(*_: object) -> bool:
        hashing.release()
        release.wait(30)
        return False

    monkeypatch.setattr(argon2id, "verify", slow)
    threads = [threading.Thread(target=passwords.verify, args=("x", None)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert hashing.acquire(timeout=30)
    assert hashing.acquire(timeout=30)
    _wait_until_refused(passwords)
    assert not hashing.acquire(blocking=False), "three passwords were hashed at once"
    release.set()
    for thread in threads:
        thread.join()
    assert passwords.hash("there is room again")


def test_no_password_waits_longer_than_the_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password that waited too long is refused and never hashed. The wait for a running hash is not limited."""
    passwords = Passwords(CHEAP, max_running=1, max_waiting=5, max_wait=0.05)
    begun, release = threading.Event(), threading.Event()
    verified: list[bytes] = []

    def slow(_: bytes, password: bytes) -> bool:
        verified.append(password)
        begun.set()
        release.wait(30)
        return True

    monkeypatch.setattr(argon2id, "verify", slow)
    results: list[bool] = []
    stored = passwords.hash("x")
    first = threading.Thread(target=lambda: results.append(passwords.verify("first", stored)))
    first.start()
    assert begun.wait(30)
    with pytest.raises(HashingBusy):
        passwords.verify("second", stored)
    release.set()
    first.join()
    assert results == [True]
    assert passwords.verify("third", stored)
    assert verified == [b"first", b"third"]


def test_fifty_parallel_passwords_are_all_hashed() -> None:
    """One hashing thread is enough: the others wait."""
    passwords = Passwords(CHEAP, max_running=1, max_waiting=100)
    with ThreadPoolExecutor(50) as pool:
        hashes = list(pool.map(passwords.hash, ["x"] * 50))
    assert len(set(hashes)) == 50


def _wait_until_refused(passwords: Passwords) -> None:
    """Wait until the queue is full: the third thread takes a moment to enter it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not passwords._slots.acquire(blocking=False):
            with pytest.raises(HashingBusy):
                passwords.hash("one too many")
            return
        passwords._slots.release()
        time.sleep(0.005)
    pytest.fail("the queue did not become full within five seconds")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
def test_hashing_threads_have_a_low_priority() -> None:
    """Many log-ins leave processor time for refreshes. Niceness is the inverse of priority."""
    others = set(threading.enumerate())  # among them hashers of other tests, which may be ending
    passwords = Passwords(CHEAP, max_running=1, max_waiting=0)
    passwords.hash("x")
    niceness = {
        Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rpartition(") ")[2].split()[16]
        for thread in threading.enumerate()
        if thread not in others and thread.name.startswith("hasher")
    }
    ours = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert niceness
    assert all(int(nice) > ours for nice in niceness)
