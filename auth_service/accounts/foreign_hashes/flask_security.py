"""Flask-Security's passwords: a hash of another form, made of a keyed digest of the password.

The key is the application's SECURITY_PASSWORD_SALT, which is a secret. It is a setting and not stored.
"""

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from auth_service.accounts.foreign_hashes.foreign_hash import ForeignHash, UnsupportedHash, encoded

PREFIX = "$flask-security$"
"""Begins a stored hash of a keyed digest. The rest is a hash of another form."""


@dataclass(frozen=True, slots=True, repr=False)
class KeyedDigestHash:
    """A hash of base64(HMAC-SHA-512(password))."""

    inner: ForeignHash
    key: bytes

    def matches(self, password: str) -> bool:
        """Return whether `password` has this hash."""
        digest = hmac.digest(self.key, encoded(password), "sha512")
        return self.inner.matches(base64.b64encode(digest).decode("ascii"))


def read_flask_security(
    stored: str, password_salt: str | None, read_inner: Callable[[str], ForeignHash]
) -> KeyedDigestHash | None:
    """Return the hash in a stored text, or None if it has not this form. Raises UnsupportedHash."""
    if not stored.startswith(PREFIX):
        return None
    if password_salt is None:
        raise UnsupportedHash("FLASK_SECURITY_PASSWORD_SALT is not set")
    inner = stored.removeprefix(PREFIX)
    if inner.startswith(PREFIX):
        raise UnsupportedHash("it is nested")
    return KeyedDigestHash(read_inner(inner), password_salt.encode())
