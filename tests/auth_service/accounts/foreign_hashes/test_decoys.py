"""For unknown names the same hashes are verified as for accounts, so the time does not reveal imported accounts."""

import hashlib
from collections import Counter

import pytest
from flask import Flask
from sqlalchemy import update

from auth_service.accounts.foreign_hashes.decoys import RELOAD_SECONDS, Decoys, HashSample
from auth_service.accounts.foreign_hashes.scheme import ForeignHashes
from auth_service.accounts.passwords.hash_schemes import PasswordCheck
from auth_service.services import services
from auth_service.storage.models import UserRow, db
from tests.auth_service.importing.recorded import PASSWORD
from tests.auth_service.world import Person
from tests.clocks import MovableClock

OWN = "$argon2id$v=19$m=8,t=1,p=1$"
NAMES = [f"name{number}@example.org" for number in range(4_000)]


def pseudonym(name: str) -> str:
    """Return a hash that stands for the keyed one."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def decoys_of(sample: HashSample, clock: MovableClock) -> Decoys:
    """Return loaded decoys."""
    decoys = Decoys(lambda: sample, pseudonym, OWN, clock)
    decoys.reload_if_due()
    return decoys


def test_the_share_of_decoys_is_that_of_imported_hashes(clock: MovableClock) -> None:
    """Half of the accounts were imported, and a fifth of these have logged in."""
    sample = HashSample(["slow"] * 60 + ["slower"] * 20 + [f"{OWN}x"] * 20, imported=500, accounts=1_000)
    decoys = decoys_of(sample, clock)

    counts = Counter(map(decoys.hash_for, NAMES))

    assert counts["slow"] / len(NAMES) == pytest.approx(0.3, abs=0.03)
    assert counts["slower"] / len(NAMES) == pytest.approx(0.1, abs=0.03)
    assert counts[None] / len(NAMES) == pytest.approx(0.6, abs=0.03)


def test_a_name_always_has_the_same_decoy_in_any_spelling(clock: MovableClock) -> None:
    sample = HashSample([f"hash {number}" for number in range(100)], imported=1, accounts=2)
    one, other = decoys_of(sample, clock), decoys_of(sample, clock)

    assert [one.hash_for(name) for name in NAMES] == [other.hash_for(name.upper()) for name in NAMES]


def test_a_falling_share_only_changes_names_over_to_our_hashes(clock: MovableClock) -> None:
    before = decoys_of(HashSample(["slow"], imported=50, accounts=100), clock)
    after = decoys_of(HashSample(["slow"], imported=40, accounts=100), clock)

    changed = [(before.hash_for(name), after.hash_for(name)) for name in NAMES]

    assert ("slow", None) in changed
    assert (None, "slow") not in changed


@pytest.mark.parametrize("sample", [HashSample(), HashSample(["", f"{OWN}x"], imported=2, accounts=3)])
def test_without_imported_hashes_there_is_no_decoy(clock: MovableClock, sample: HashSample) -> None:
    decoys = decoys_of(sample, clock)
    assert {decoys.hash_for(name) for name in NAMES} == {None}


def test_the_sample_is_read_again_after_a_while(clock: MovableClock) -> None:
    samples = [HashSample(["slow"], 1, 1), HashSample()]
    decoys = Decoys(lambda: samples.pop(0), pseudonym, OWN, clock)
    for _ in range(3):
        decoys.reload_if_due()
        assert decoys.hash_for("ann@example.org") == "slow"
    clock.move(RELOAD_SECONDS)
    decoys.reload_if_due()
    assert decoys.hash_for("ann@example.org") is None


def test_unknown_names_and_imported_accounts_do_the_same_work(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    real = ForeignHashes.verify

    def recorded(self: ForeignHashes, stored: str, password: str) -> PasswordCheck:
        verified.append(stored)
        return real(self, stored, password)

    monkeypatch.setattr(ForeignHashes, "verify", recorded)
    cheap = "pbkdf2_sha256$1000$salt$" + "A" * 43 + "="
    Person(app.test_client(), "ann@example.org").register()
    with app.app_context():
        db.session.execute(update(UserRow).values(password_hash=cheap))
        db.session.commit()
        parts = services()
        parts.grants.decoys._load = lambda: HashSample([cheap], 1, 1)
        parts.republishing.run_once()
    for name in ("ann@example.org", "nobody@example.org"):
        verified.clear()
        assert Person(app.test_client(), name, "wrong password").log_in().status_code == 401
        assert verified == [cheap]


def test_a_decoy_never_logs_anybody_in(app: Flask, clock: MovableClock) -> None:
    """The password is right for the decoy, which is the hash of another account."""
    Person(app.test_client(), "ann@example.org", PASSWORD).register()
    with app.app_context():
        parts = services()
        stored = parts.users.find_by_email("ann@example.org")
        assert stored
        parts.grants.decoys._load = lambda: HashSample([stored.password_hash], 1, 1)
        parts.grants.decoys._own_prefix = "none"
        parts.republishing.run_once()
        assert parts.grants.decoys.hash_for("nobody@example.org") == stored.password_hash

    assert Person(app.test_client(), "nobody@example.org", PASSWORD).log_in().status_code == 401
