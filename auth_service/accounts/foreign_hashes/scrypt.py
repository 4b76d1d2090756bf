"""scrypt hashes (RFC 7914) in the forms of Django, Werkzeug and passlib. OpenSSL computes them, without the GIL."""

import hashlib
import hmac
from dataclasses import dataclass

from auth_service.accounts.foreign_hashes.foreign_hash import (
    MAX_MEMORY,
    UnsupportedHash,
    decoded_base64,
    decoded_hex,
    encoded,
    number,
)

_MAX_WORK = 2**23
"""Maximum of n * r * p: about three seconds of one core. Django uses 2**14 * 8 * 5, Werkzeug 2**15 * 8."""


@dataclass(frozen=True, slots=True)
class ScryptCost:
    """The parameters of scrypt: n is a power of two. Raises UnsupportedHash beyond the limits."""

    n: int
    r: int
    p: int

    def __post_init__(self) -> None:
        if self.n < 2 or self.n & (self.n - 1) or self.r < 1 or self.p < 1:
            raise UnsupportedHash("its scrypt parameters are invalid")
        if self.memory > MAX_MEMORY or self.n * self.r * self.p > _MAX_WORK:
            raise UnsupportedHash("its scrypt parameters n, r and p are too large")

    @property
    def memory(self) -> int:
        """Return the bytes of memory that a hash needs (RFC 7914 section 5)."""
        return 128 * self.r * (self.n + self.p + 2)

    def derive(self, password: bytes, salt: bytes, size: int) -> bytes:
        """Return `size` bytes derived from a password."""
        # OpenSSL refuses a maxmem that is exactly what it needs.
        return hashlib.scrypt(
            password, salt=salt, n=self.n, r=self.r, p=self.p, maxmem=self.memory + 2**20, dklen=size
        )


@dataclass(frozen=True, slots=True, repr=False)
class ScryptHash:
    """A scrypt hash."""

    cost: ScryptCost
    salt: bytes
    derived_key: bytes

    def matches(self, password: str) -> bool:
        """Return whether `password` has this hash."""
        computed = self.cost.derive(encoded(password), self.salt, len(self.derived_key))
        return hmac.compare_digest(computed, self.derived_key)


def read_scrypt(stored: str) -> ScryptHash | None:
    """Return the hash in a stored text, or None if it has none of the forms. Raises UnsupportedHash.

    The forms are `scrypt$N$SALT$R$P$BASE64` (Django), `scrypt:N:R:P$SALT$HEX` (Werkzeug) and
    `$scrypt$ln=LOG2N,r=R,p=P$BASE64$BASE64` (passlib).
    """
    if stored.startswith("scrypt$"):
        return _read_django(stored)
    if stored.startswith("scrypt:"):
        return _read_werkzeug(stored)
    if stored.startswith("$scrypt$"):
        return _read_passlib(stored)
    return None


def _read_django(stored: str) -> ScryptHash:
    parts = stored.split("$")
    if len(parts) != 6:
        raise UnsupportedHash("a scrypt hash of this form has 6 parts")
    _, n, salt, r, p, key = parts
    return _checked(_cost(n, r, p), salt.encode(), decoded_base64(key, "hash"))


def _read_werkzeug(stored: str) -> ScryptHash:
    method, _, rest = stored.partition("$")
    salt, _, key = rest.partition("$")
    parameters = method.split(":")[1:]
    if len(parameters) != 3:
        raise UnsupportedHash("a scrypt hash of this form has the parameters n, r and p")
    return _checked(_cost(*parameters), salt.encode(), decoded_hex(key, "hash"))


def _read_passlib(stored: str) -> ScryptHash:
    parts = stored.split("$")
    parameters = dict(part.partition("=")[::2] for part in parts[2].split(",")) if len(parts) == 5 else {}
    if set(parameters) != {"ln", "r", "p"}:
        raise UnsupportedHash("a scrypt hash of this form has the parameters ln, r and p")
    n = 2 ** number(parameters["ln"], "parameter ln", 32)
    cost = _cost(str(n), parameters["r"], parameters["p"])
    return _checked(cost, decoded_base64(parts[3], "salt"), decoded_base64(parts[4], "hash"))


def _cost(n: str, r: str, p: str) -> ScryptCost:
    highest = 2**32
    return ScryptCost(number(n, "parameter n", highest), number(r, "parameter r", highest), number(p, "p", highest))


def _checked(cost: ScryptCost, salt: bytes, derived_key: bytes) -> ScryptHash:
    if not 16 <= len(derived_key) <= 128:
        raise UnsupportedHash("its hash does not have 16 to 128 bytes")
    return ScryptHash(cost, salt, derived_key)
