"""Firebase's modified scrypt: the hash is the project's signer key, encrypted with a key derived from the password.

The signer key is a secret of the project, so it is a setting and not a part of the stored hashes: without it, nobody
who has the database can try passwords.
"""

import hashlib
import hmac
import re
from base64 import b64encode
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from auth_service.accounts.foreign_hashes.foreign_hash import UnsupportedHash, decoded_base64, encoded, number
from auth_service.accounts.foreign_hashes.scrypt import ScryptCost

_PREFIX = "$fbscrypt$"
_STORED = re.compile(
    r"\$fbscrypt\$v=1,n=(\d+),r=(\d+),p=(\d+),ss=([A-Za-z0-9+/=]*),key=([0-9a-f]{16})"
    r"\$([A-Za-z0-9+/=_-]+)\$([A-Za-z0-9+/=_-]+)"
)


@dataclass(frozen=True, slots=True, repr=False)
class FirebaseHash:
    """A hash of Firebase Authentication."""

    cost: ScryptCost
    salt: bytes
    signer_key: bytes
    encrypted_key: bytes

    def matches(self, password: str) -> bool:
        """Return whether `password` has this hash."""
        derived = self.cost.derive(encoded(password), self.salt, 64)
        # The nonce is constant, as in Firebase: a derived key encrypts one text only.
        encryptor = Cipher(AES(derived[:32]), CTR(bytes(16))).encryptor()
        return hmac.compare_digest(encryptor.update(self.signer_key), self.encrypted_key)


@dataclass(frozen=True, slots=True, repr=False)
class FirebaseParameters:
    """The hash parameters of a Firebase project (Authentication, Users, Password hash parameters).

    `memory_cost` is the logarithm of scrypt's n. `salt_separator` is in base64.
    """

    salt_separator: str
    rounds: int
    memory_cost: int

    def stored(self, salt: str, password_hash: str, signer_key: bytes) -> str:
        """Return the text to store for a user's `salt` and `passwordHash`, which are in base64."""
        separator = b64encode(decoded_base64(self.salt_separator, "salt separator")).decode("ascii")
        parameters = f"v=1,n={self.memory_cost},r={self.rounds},p=1,ss={separator},key={key_id(signer_key)}"
        return f"{_PREFIX}{parameters}${salt}${password_hash}"


def key_id(signer_key: bytes) -> str:
    """Return a text that identifies a signer key and does not reveal it."""
    return hashlib.sha256(b"firebase signer key\0" + signer_key).hexdigest()[:16]


def read_firebase(stored: str, signer_key: bytes | None) -> FirebaseHash | None:
    """Return the hash in a stored text, or None if it has not this form. Raises UnsupportedHash."""
    if not stored.startswith(_PREFIX):
        return None
    match = _STORED.fullmatch(stored)
    if match is None:
        raise UnsupportedHash("it is not a Firebase hash")
    memory_cost, rounds, lanes, separator, key, salt, encrypted = match.groups()
    if signer_key is None:
        raise UnsupportedHash("FIREBASE_SIGNER_KEY is not set")
    if not hmac.compare_digest(key_id(signer_key), key):
        raise UnsupportedHash("FIREBASE_SIGNER_KEY is the key of another project")
    n = 2 ** number(memory_cost, "memory cost", 32)
    cost = ScryptCost(n, number(rounds, "rounds", 2**16), number(lanes, "lanes", 2**16))
    encrypted_key = decoded_base64(encrypted, "hash")
    if len(encrypted_key) != len(signer_key):
        raise UnsupportedHash("its hash is not as long as the signer key")
    whole_salt = decoded_base64(salt, "salt") + decoded_base64(separator, "salt separator")
    return FirebaseHash(cost, whole_salt, signer_key, encrypted_key)
