"""PBKDF2 hashes (RFC 8018) in the forms of Django, passlib and Werkzeug. OpenSSL computes them, without the GIL."""

import hmac
from base64 import b64encode
from dataclasses import dataclass
from hashlib import pbkdf2_hmac

from auth_service.accounts.foreign_hashes.foreign_hash import (
    UnsupportedHash,
    decoded_base64,
    decoded_hex,
    encoded,
    number,
)

MAX_ITERATIONS = 5_000_000
"""About two seconds of one core. Django 6.0 uses 1,200,000 with SHA-256."""

_SIZES = {"sha1": 20, "sha256": 32, "sha512": 64}
"""The digests, and the bytes of each."""


@dataclass(frozen=True, slots=True, repr=False)
class Pbkdf2Hash:
    """A PBKDF2 hash. `digest` is the name of the hash function for HMAC."""

    digest: str
    iterations: int
    salt: bytes
    derived_key: bytes

    def matches(self, password: str) -> bool:
        """Return whether `password` has this hash."""
        size = len(self.derived_key)
        computed = pbkdf2_hmac(self.digest, encoded(password), self.salt, self.iterations, size)
        return hmac.compare_digest(computed, self.derived_key)


def read_pbkdf2(stored: str) -> Pbkdf2Hash | None:
    """Return the hash in a stored text, or None if it has none of the forms. Raises UnsupportedHash.

    The forms are `pbkdf2_sha256$ITERATIONS$SALT$BASE64` (Django), `$pbkdf2-sha256$ITERATIONS$BASE64$BASE64` (passlib)
    and `pbkdf2:sha256:ITERATIONS$SALT$HEX` (Werkzeug).
    """
    if stored.startswith("pbkdf2_"):
        return _read_django(stored)
    if stored.startswith("$pbkdf2"):
        return _read_passlib(stored)
    if stored.startswith("pbkdf2:"):
        return _read_werkzeug(stored)
    return None


def passlib_form(digest: str, iterations: int, salt: bytes, derived_key: bytes) -> str:
    """Return the text of a hash in passlib's form, for sources that store its parts separately."""
    return f"$pbkdf2-{digest}${iterations}${_ab64(salt)}${_ab64(derived_key)}"


def _read_django(stored: str) -> Pbkdf2Hash:
    name, iterations, salt, key = _parts(stored, 4)
    digest = {"pbkdf2_sha256": "sha256", "pbkdf2_sha1": "sha1"}.get(name, "")
    return _checked(digest, iterations, salt.encode(), decoded_base64(key, "hash"))


def _read_passlib(stored: str) -> Pbkdf2Hash:
    _, name, iterations, salt, key = _parts(stored, 5)
    digest = name.removeprefix("pbkdf2-") if name != "pbkdf2" else "sha1"
    return _checked(digest, iterations, decoded_base64(salt, "salt"), decoded_base64(key, "hash"))


def _read_werkzeug(stored: str) -> Pbkdf2Hash:
    method, salt, key = _parts(stored, 3)
    _, digest, iterations = [*method.split(":"), "", ""][:3]
    return _checked(digest, iterations, salt.encode(), decoded_hex(key, "hash"))


def _parts(stored: str, count: int) -> list[str]:
    parts = stored.split("$")
    if len(parts) != count:
        raise UnsupportedHash(f"a PBKDF2 hash of this form has {count} parts")
    return parts


def _checked(digest: str, iterations: str, salt: bytes, derived_key: bytes) -> Pbkdf2Hash:
    size = _SIZES.get(digest)
    if size is None:
        raise UnsupportedHash("its digest is neither sha1 nor sha256 nor sha512")
    # Longer keys multiply the cost: each block of `size` bytes takes all iterations. Keycloak stores 64 bytes.
    if not 16 <= len(derived_key) <= 64:
        raise UnsupportedHash("its hash does not have 16 to 64 bytes")
    blocks = -(-len(derived_key) // size)
    return Pbkdf2Hash(digest, number(iterations, "iteration count", MAX_ITERATIONS // blocks), salt, derived_key)


def _ab64(data: bytes) -> str:
    return b64encode(data).decode("ascii").rstrip("=").replace("+", ".")
