"""bcrypt hashes of passwords, or of their digests, in the forms of Django and passlib. pyca/bcrypt computes them."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass

import bcrypt

from auth_service.accounts.foreign_hashes.foreign_hash import UnsupportedHash, encoded

MAX_ROUNDS = 15
"""The highest cost: two seconds of one core. Each further one doubles that. Common are 10 to 12."""

_BCRYPT = re.compile(r"\$(2[abxy]?)\$(\d\d)\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})")
_PASSLIB = re.compile(r"\$bcrypt-sha256\$v=2,t=(2[ab]),r=(\d{1,2})\$([./A-Za-z0-9]{22})\$([./A-Za-z0-9]{31})")

_MAX_PASSWORD = 72
"""bcrypt uses the first 72 bytes of a password. Other systems drop the rest silently, so this does too."""


@dataclass(frozen=True, slots=True, repr=False)
class BcryptHash:
    """A bcrypt hash. `prepare` returns what is hashed instead of the password."""

    modular_crypt: bytes
    prepare: Callable[[bytes], bytes]

    def matches(self, password: str) -> bool:
        """Return whether `password` has this hash."""
        prepared = self.prepare(encoded(password))[:_MAX_PASSWORD]
        try:
            return bcrypt.checkpw(prepared, self.modular_crypt)
        except ValueError:  # a NUL byte, or a salt that bcrypt does not accept
            return False


def read_bcrypt(stored: str) -> BcryptHash | None:
    """Return the hash in a stored text, or None if it has none of the forms. Raises UnsupportedHash.

    The forms are `$2b$COST$...`, `bcrypt$$2b$COST$...` and `bcrypt_sha256$$2b$COST$...` (Django), and
    `$bcrypt-sha256$v=2,t=2b,r=COST$SALT$HASH` (passlib).
    """
    if stored.startswith("$2"):
        return _checked(stored, _unchanged)
    if stored.startswith("bcrypt$"):
        return _checked(stored.removeprefix("bcrypt$"), _unchanged)
    if stored.startswith("bcrypt_sha256$"):
        return _checked(stored.removeprefix("bcrypt_sha256$"), _django_digest)
    if stored.startswith("$bcrypt-sha256$"):
        return _read_passlib(stored)
    return None


def _read_passlib(stored: str) -> BcryptHash:
    match = _PASSLIB.fullmatch(stored)
    if match is None:
        raise UnsupportedHash("only version 2 of bcrypt-sha256 is supported")
    kind, cost, salt, checksum = match.groups()

    def keyed_digest(password: bytes) -> bytes:
        return base64.b64encode(hmac.digest(salt.encode(), password, "sha256"))

    return _checked(f"${kind}${int(cost):02}${salt}{checksum}", keyed_digest)


def _checked(modular_crypt: str, prepare: Callable[[bytes], bytes]) -> BcryptHash:
    match = _BCRYPT.fullmatch(modular_crypt)
    if match is None:
        raise UnsupportedHash("it is not a bcrypt hash")
    kind, cost, salt, checksum = match.groups()
    if not 4 <= int(cost) <= MAX_ROUNDS:
        raise UnsupportedHash(f"its bcrypt cost is not 4 to {MAX_ROUNDS}")
    # 2a, 2b and 2y are one algorithm; 2x repeats a defect of an old library, which pyca/bcrypt does not.
    if kind in ("2", "2x"):
        raise UnsupportedHash(f"bcrypt hashes of the kind {kind} are not supported")
    return BcryptHash(f"$2b${cost}${salt}{checksum}".encode(), prepare)


def _unchanged(password: bytes) -> bytes:
    return password


def _django_digest(password: bytes) -> bytes:
    return hashlib.sha256(password).hexdigest().encode()
