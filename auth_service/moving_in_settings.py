"""The settings for users who move in from another system: the secrets with which it hashed passwords."""

import base64
import binascii
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from auth_service.accounts.foreign_hashes.scheme import ForeignHashes
from chassis.settings import Settings


def _base64(text: SecretStr | None) -> SecretStr | None:
    if text is not None:
        try:
            base64.b64decode(text.get_secret_value(), validate=True)
        except (ValueError, binascii.Error) as error:
            raise ValueError("must be base64, as the Firebase console shows it") from error
    return text


class MovingInSettings(Settings):
    """Settings of the former system. They are needed until its users have logged in or reset their passwords."""

    firebase_signer_key: Annotated[SecretStr | None, AfterValidator(_base64)] = None
    """The `base64_signer_key` of a Firebase project, to verify the password hashes of its users."""
    flask_security_password_salt: SecretStr | None = None
    """SECURITY_PASSWORD_SALT of an application with Flask-Security, to verify the password hashes of its users."""

    @property
    def foreign_hashes(self) -> ForeignHashes:
        """Return the formats of hashes that are verified, with the secrets that two of them need."""
        signer_key, salt = self.firebase_signer_key, self.flask_security_password_salt
        return ForeignHashes(
            base64.b64decode(signer_key.get_secret_value()) if signer_key else None,
            salt.get_secret_value() if salt else None,
        )
