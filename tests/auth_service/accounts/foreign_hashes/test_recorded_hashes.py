"""Every recorded hash of another system is verified."""

import pytest

from auth_service.accounts.foreign_hashes.scheme import ForeignHashes
from tests.auth_service.accounts.foreign_hashes.recorded import FLASK_SECURITY_SALT, RecordedHash, recorded_hashes

HASHES = ForeignHashes(flask_security_salt=FLASK_SECURITY_SALT)


@pytest.mark.parametrize("recorded", recorded_hashes(), ids=str)
def test_the_password_matches_the_hash_and_needs_a_new_one(recorded: RecordedHash) -> None:
    assert HASHES.recognizes(recorded.stored)

    check = HASHES.verify(recorded.stored, recorded.password)

    assert check.is_right
    assert check.needs_rehash


# One of each kind: the costs are real.
FIRST_OF_EACH = {(each.system, each.kind): each for each in reversed(recorded_hashes())}


@pytest.mark.parametrize("recorded", FIRST_OF_EACH.values(), ids=str)
def test_another_password_does_not_match(recorded: RecordedHash) -> None:
    """tests/auth_service/api/test_log_in_with_foreign_hash.py tries a longer one."""
    check = HASHES.verify(recorded.stored, recorded.password.swapcase())
    assert not check.is_right
    assert not check.needs_rehash


def test_the_hashes_of_flask_security_need_its_salt() -> None:
    (stored, *_) = (each.stored for each in recorded_hashes() if each.system == "flask-security")

    assert not ForeignHashes().recognizes(stored)
    assert not ForeignHashes(flask_security_salt="another").verify(stored, "Tr0ub4dor&3x").is_right
