"""Firebase's hashes are verified with the signer key of the project."""

import base64

import pytest

from auth_service.accounts.foreign_hashes.firebase_scrypt import FirebaseParameters
from auth_service.accounts.foreign_hashes.foreign_hash import UnsupportedHash
from auth_service.accounts.foreign_hashes.scheme import ForeignHashes

# The sample in the README of github.com/firebase/scrypt.
SIGNER_KEY = base64.b64decode(
    "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
)
PARAMETERS = FirebaseParameters(salt_separator="Bw==", rounds=8, memory_cost=14)
STORED = PARAMETERS.stored(
    "42xEC+ixf3L2lw==",
    "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
    SIGNER_KEY,
)


def test_the_published_sample_is_verified() -> None:
    hashes = ForeignHashes(firebase_signer_key=SIGNER_KEY)

    assert hashes.verify(STORED, "user1password").is_right
    assert not hashes.verify(STORED, "user2password").is_right


def test_the_signer_key_is_not_stored() -> None:
    assert base64.b64encode(SIGNER_KEY).decode() not in STORED


@pytest.mark.parametrize(
    ("signer_key", "reason"),
    [(None, "FIREBASE_SIGNER_KEY is not set"), (b"x" * 64, "FIREBASE_SIGNER_KEY is the key of another project")],
)
def test_another_signer_key_is_named_as_the_reason(signer_key: bytes | None, reason: str) -> None:
    hashes = ForeignHashes(firebase_signer_key=signer_key)

    with pytest.raises(UnsupportedHash, match=reason):
        hashes.read(STORED)
    assert not hashes.verify(STORED, "user1password").is_right


def test_a_hostile_memory_cost_is_refused() -> None:
    with pytest.raises(UnsupportedHash, match="too large"):
        ForeignHashes(firebase_signer_key=SIGNER_KEY).read(STORED.replace("n=14", "n=31"))
