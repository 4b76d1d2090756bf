"""The interface of a password hash of another system, and the limits on its cost.

The limits keep a stored hash from exhausting the process: verifying it may take at most a few seconds of one core and
256 MiB. The import refuses hashes beyond them, and so does every verification.
"""

import base64
import binascii
from typing import Protocol

MAX_MEMORY = 256 * 1024 * 1024
"""Bytes that verifying one hash may use. Django's default is 16 MiB for scrypt and 100 MiB for argon2."""

MAX_STORED_HASH = 1_024
"""Characters of a stored hash."""


class UnsupportedHash(Exception):
    """A stored password cannot be verified. `reason` is a short text for a report, without any part of the hash."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ForeignHash(Protocol):
    """A password hash of another system, whose format and cost have been checked."""

    def matches(self, password: str) -> bool:
        """Return whether `password` has this hash. Compares in constant time and raises no error for any text."""


def number(text: str, name: str, highest: int) -> int:
    """Return the parameter `name` of a hash, a number from 1 to `highest`. Raises UnsupportedHash."""
    if not text.isascii() or not text.isdecimal() or len(text) > 10 or not int(text):
        raise UnsupportedHash(f"its {name} is not a number")
    if int(text) > highest:
        raise UnsupportedHash(f"its {name} exceeds {highest}")
    return int(text)


def decoded_base64(text: str, name: str) -> bytes:
    """Return the bytes of base64 with or without padding, in any of its alphabets. Raises UnsupportedHash."""
    # passlib writes `.` for `+`. Firebase exports have the URL-safe alphabet.
    standard = text.rstrip("=").replace("-", "+").replace("_", "/").replace(".", "+")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (ValueError, binascii.Error) as error:
        raise UnsupportedHash(f"its {name} is not base64") from error


def decoded_hex(text: str, name: str) -> bytes:
    """Return the bytes of a hexadecimal text. Raises UnsupportedHash."""
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise UnsupportedHash(f"its {name} is not hexadecimal") from error


def encoded(password: str) -> bytes:
    """Return a password in UTF-8. A lone surrogate, which no other system can have hashed, becomes `?`."""
    return password.encode("utf-8", "replace")
