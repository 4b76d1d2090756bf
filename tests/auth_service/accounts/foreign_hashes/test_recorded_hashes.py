"""Recorded hashes of other systems are verified.

Their costs are real: `make test` verifies one hash of each kind, and a wrong password once for each algorithm.
"""

import itertools
import re

import pytest

from auth_service.accounts.foreign_hashes.scheme import ForeignHashes
from tests.all_cases import ALL_CASES
from tests.auth_service.accounts.foreign_hashes.recorded import FLASK_SECURITY_SALT, RecordedHash, recorded_hashes

HASHES = ForeignHashes(flask_security_salt=FLASK_SECURITY_SALT)
RECORDED = sorted(recorded_hashes(), key=lambda each: (each.system, each.kind))
BY_KIND = [list(group) for _, group in itertools.groupby(RECORDED, lambda each: (each.system, each.kind))]
# The passwords take turns: ASCII, other characters, more than 72 bytes.
ONE_OF_EACH_KIND = [hashes[number % len(hashes)] for number, hashes in enumerate(BY_KIND)]
FIRST_OF_EACH_KIND = [hashes[0] for hashes in BY_KIND]
FIRST_OF_EACH_ALGORITHM = list({re.split("[:_ ]", each.kind)[0]: each for each in FIRST_OF_EACH_KIND}.values())


@pytest.mark.parametrize("recorded", RECORDED if ALL_CASES else ONE_OF_EACH_KIND, ids=str)
def test_the_password_matches_the_hash_and_needs_a_new_one(recorded: RecordedHash) -> None:
    assert HASHES.recognizes(recorded.stored)

    check = HASHES.verify(recorded.stored, recorded.password)

    assert check.is_right
    assert check.needs_rehash


@pytest.mark.parametrize("recorded", FIRST_OF_EACH_KIND if ALL_CASES else FIRST_OF_EACH_ALGORITHM, ids=str)
def test_another_password_does_not_match(recorded: RecordedHash) -> None:
    """tests/auth_service/api/test_log_in_with_foreign_hash.py tries a longer one."""
    check = HASHES.verify(recorded.stored, recorded.password.swapcase())
    assert not check.is_right
    assert not check.needs_rehash


def test_the_hashes_of_flask_security_need_its_salt() -> None:
    (stored, *_) = (each.stored for each in recorded_hashes() if each.system == "flask-security")

    assert not ForeignHashes().recognizes(stored)
    assert not ForeignHashes(flask_security_salt="another").verify(stored, "Tr0ub4dor&3x").is_right
