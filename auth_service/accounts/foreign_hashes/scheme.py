"""The scheme of foreign hashes: it verifies each by its format, and asks for an argon2id hash at the log-in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from auth_service.accounts.foreign_hashes.argon2_hash import read_argon2
from auth_service.accounts.foreign_hashes.bcrypt_hash import read_bcrypt
from auth_service.accounts.foreign_hashes.firebase_scrypt import read_firebase
from auth_service.accounts.foreign_hashes.flask_security import read_flask_security
from auth_service.accounts.foreign_hashes.foreign_hash import MAX_STORED_HASH, ForeignHash, UnsupportedHash
from auth_service.accounts.foreign_hashes.pbkdf2 import read_pbkdf2
from auth_service.accounts.foreign_hashes.scrypt import read_scrypt
from auth_service.accounts.passwords.hash_schemes import WRONG, PasswordCheck

Read = Callable[[str], ForeignHash | None]


@dataclass(frozen=True, slots=True, repr=False)
class ForeignHashes:
    """Reads and verifies the hashes of other systems. It implements HashScheme.

    Two formats need a secret of the former system: `firebase_signer_key` and `flask_security_salt`.
    """

    firebase_signer_key: bytes | None = None
    flask_security_salt: str | None = None

    _READERS: ClassVar[tuple[Read, ...]] = (read_pbkdf2, read_scrypt, read_bcrypt, read_argon2)

    def recognizes(self, stored: str) -> bool:
        """Return whether `stored` is a hash that can be verified at an acceptable cost."""
        try:
            self.read(stored)
        except UnsupportedHash:
            return False
        return True

    def verify(self, stored: str, password: str) -> PasswordCheck:
        """Return whether `password` has the hash `stored`. A right password needs a new hash."""
        try:
            is_right = self.read(stored).matches(password)
        except UnsupportedHash:
            return WRONG
        return PasswordCheck(is_right, needs_rehash=is_right)

    def read(self, stored: str) -> ForeignHash:
        """Return the hash in a stored text. Raises UnsupportedHash."""
        if len(stored) > MAX_STORED_HASH:
            raise UnsupportedHash(f"it is longer than {MAX_STORED_HASH} characters")
        found = read_firebase(stored, self.firebase_signer_key) or read_flask_security(
            stored, self.flask_security_salt, self._read_plain
        )
        return found or self._read_plain(stored)

    def _read_plain(self, stored: str) -> ForeignHash:
        for read in self._READERS:
            found = read(stored)
            if found is not None:
                return found
        raise UnsupportedHash("its format is unknown")
