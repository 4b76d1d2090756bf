"""Firebase: the file that `firebase auth:export users.json --format=json` writes."""

from collections.abc import Mapping
from dataclasses import dataclass

from auth_service.accounts.foreign_hashes.firebase_scrypt import FirebaseParameters


@dataclass(frozen=True, slots=True, repr=False)
class FirebaseUsers:
    """Reads users of a Firebase project, whose hash parameters and signer key are given."""

    parameters: FirebaseParameters
    signer_key: bytes

    def read(self, user: Mapping[str, object]) -> Mapping[str, object]:
        """Return the fields of a user."""
        first_name, _, last_name = str(user.get("displayName") or "").partition(" ")
        return {
            "id": user.get("localId"),
            "email": user.get("email"),
            "password_hash": self._stored(user.get("salt"), user.get("passwordHash")),
            "first_name": first_name,
            "last_name": last_name,
            "is_active": not user.get("disabled"),
            "created_at": _seconds(user.get("createdAt")),
            "last_login_at": _seconds(user.get("lastSignedInAt")),
            "email_verified_at": user.get("emailVerified") is True,
        }

    def _stored(self, salt: object, password_hash: object) -> object:
        """Return the text to store; None for a user of another provider, who has no password."""
        if not isinstance(password_hash, str) or not password_hash:
            return None
        return self.parameters.stored(str(salt or ""), password_hash, self.signer_key)


def _seconds(milliseconds: object) -> object:
    """Return the seconds of a time in milliseconds, which the file has as text."""
    text = str(milliseconds or "")
    return int(text) / 1000 if text.isascii() and text.isdecimal() and len(text) < 16 else None
