"""Passwords: the rules for new ones, their hashes, and the limits of the hashing queue."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from nacl.pwhash import argon2id

from auth_service.accounts.passwords import HashCost, HashingBusy, PasswordCheck, PasswordRules, Passwords
from auth_service.settings import SECURE_HASH

CHEAP = HashCost(time=1, memory=8)
RULES = PasswordRules(min_length=8)

SHORT = "This password is too short. It must contain at least 8 characters."
COMMON = "This password is too common."
NUMERIC = "This password is entirely numeric."
SIMILAR = "The password is too similar to the email."


@pytest.mark.parametrize(
    ("password", "complaints"),
    [
        ("Tr0ub4dor&3x", []),
        ("correct horse battery staple", []),
        ("pässwörter sind schön", []),
        ("密码密码密码密码密码", []),
        ("x" * 256, []),
        ("zq7Kp2", [SHORT]),
        ("123", [SHORT, COMMON, NUMERIC]),
        ("12345678", [COMMON, NUMERIC]),
        ("password", [COMMON]),
        ("PassWord", [COMMON]),
        ("qwerty123", [COMMON]),
        ("8503917462", [NUMERIC]),
        ("٣٤٥٦٧٨٩٠", [NUMERIC]),
        ("similarity", [SIMILAR]),
        ("Similarity1", [SIMILAR]),
        ("similarity@mail.example", [SIMILAR]),
    ],
)
def test_a_password_is_refused_with_the_texts_of_django(password: str, complaints: list[str]) -> None:
    assert RULES.complaints(password, "similarity@mail.example") == complaints


def test_the_minimum_length_can_be_set() -> None:
    assert PasswordRules(15).complaints("Tr0ub4dor&3x", "a@b.co") == [
        "This password is too short. It must contain at least 15 characters."
    ]


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


def test_a_common_password_is_refused_in_any_case_and_unicode_form() -> None:
    assert RULES.complaints("\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44", "a@b.co") == [COMMON]


def test_two_hashes_of_one_password_differ(passwords: Passwords) -> None:
    assert passwords.hash("the same") != passwords.hash("the same")


def test_the_cost_is_argon2id_at_the_recommended_minimum() -> None:
    """OWASP Password Storage Cheat Sheet: 19 MiB, two iterations, one lane."""
    passwords = Passwords(SECURE_HASH, max_running=1, max_waiting=0)
    assert passwords.hash("x").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_hash_of_another_cost_is_outdated(passwords: Passwords) -> None:
    costlier = Passwords(HashCost(time=2, memory=8), max_running=1, max_waiting=0)
    assert not passwords.is_outdated(passwords.hash("x"))
    assert costlier.is_outdated(passwords.hash("x"))


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
        release.wait(5)
        return False

    monkeypatch.setattr(argon2id, "verify", slow)
    threads = [threading.Thread(target=passwords.verify, args=("x", None)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert hashing.acquire(timeout=5)
    assert hashing.acquire(timeout=5)
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
        release.wait(5)
        return True

    monkeypatch.setattr(argon2id, "verify", slow)
    results: list[bool] = []
    stored = passwords.hash("x")
    first = threading.Thread(target=lambda: results.append(passwords.verify("first", stored)))
    first.start()
    assert begun.wait(5)
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
    deadline = time.monotonic() + 5
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
