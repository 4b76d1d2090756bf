"""The formats of stored password hashes: the interface of a format, and argon2id, in which new hashes are stored.

A hash of another format comes from an import. It is verified by a HashScheme of its own and replaced by an argon2id
hash at the next log-in.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Protocol

from nacl.exceptions import InvalidkeyError
from nacl.pwhash import argon2id

_ARGON2ID = re.compile(r"\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{22,}")
"""A hash as it is stored: parameters, salt and hash (the PHC string format)."""


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """The result of a verification. `needs_rehash` means that a log-in should replace the stored hash."""

    is_right: bool
    needs_rehash: bool = False


WRONG = PasswordCheck(is_right=False)


class HashScheme(Protocol):
    """A format of stored password hashes.

    Both methods are pure and are called by several hashing threads at once. Neither raises an error for any text.
    """

    def recognizes(self, stored: str) -> bool:
        """Return whether `stored` is a hash of this format, with parameters that this service accepts."""

    def verify(self, stored: str, password: str) -> PasswordCheck:
        """Return whether `password` has the hash `stored`, which this scheme recognizes.

        `needs_rehash` of a right password is True if new hashes have another format or other parameters.
        """


@dataclass(frozen=True, slots=True)
class HashCost:
    """Parameters of argon2id: `time` in passes and `memory` in KiB, with one lane (RFC 9106 3.1)."""

    time: int
    memory: int

    @property
    def prefix(self) -> str:
        """Return the text with which every hash of this cost begins."""
        return f"$argon2id$v=19$m={self.memory},t={self.time},p=1$"


@dataclass(frozen=True, slots=True)
class Argon2id:
    """Argon2id by libsodium. Hashes of other libraries, costs and numbers of lanes are verified too."""

    cost: HashCost

    def hash(self, password: str) -> str:
        """Return a new hash of `password`."""
        password_hash = argon2id.str(password.encode(), opslimit=self.cost.time, memlimit=self.cost.memory * 1024)
        return password_hash.decode("ascii")

    def recognizes(self, stored: str) -> bool:
        """Return whether `stored` is an argon2id hash."""
        return _ARGON2ID.fullmatch(stored) is not None

    def verify(self, stored: str, password: str) -> PasswordCheck:
        """Return whether `password` has this hash. It needs a new one if its cost is not the configured one."""
        try:
            is_right = argon2id.verify(stored.encode(), password.encode())
        except InvalidkeyError:
            return WRONG
        return PasswordCheck(is_right, needs_rehash=is_right and not stored.startswith(self.cost.prefix))


def normalized(password: str) -> str:
    """Return the Unicode form (NFKC) in which a password is hashed. NIST SP 800-63B."""
    return unicodedata.normalize("NFKC", password)
