"""The settings for users who move in from another system: the secrets of its password hashes and tokens."""

import base64
import binascii
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, SecretStr, model_validator

from auth_service.accounts.foreign_hashes.scheme import ForeignHashes
from auth_service.tokens.simplejwt import SimpleJwt
from chassis.settings import Settings, check_strength
from chassis.utc_time import parse_utc_time


def _base64(text: SecretStr | None) -> SecretStr | None:
    if text is not None:
        try:
            base64.b64decode(text.get_secret_value(), validate=True)
        except (ValueError, binascii.Error) as error:
            raise ValueError("must be base64, as the Firebase console shows it") from error
    return text


_GENERATED_PREFIX = "django-insecure-"
"""`startproject` writes it before 50 random characters. Projects keep such keys."""


def _strong(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None:
        check_strength(SecretStr(secret.get_secret_value().removeprefix(_GENERATED_PREFIX)))
    return secret


class MovingInSettings(Settings):
    """Settings of the former system. They are needed until its users have logged in or reset their passwords."""

    firebase_signer_key: Annotated[SecretStr | None, AfterValidator(_base64)] = None
    """The `base64_signer_key` of a Firebase project, to verify the password hashes of its users."""
    flask_security_password_salt: SecretStr | None = None
    """SECURITY_PASSWORD_SALT of an application with Flask-Security, to verify the password hashes of its users."""

    simplejwt_secret: Annotated[SecretStr | None, AfterValidator(_strong)] = None
    """SECRET_KEY (or SIGNING_KEY of SIMPLE_JWT) of a project. Its tokens are accepted until SIMPLEJWT_UNTIL."""
    simplejwt_until: Annotated[float | None, BeforeValidator(parse_utc_time)] = None
    """The end of the transition, in seconds since the epoch. The gateway needs the same value."""
    simplejwt_algorithm: Literal["HS256", "HS384", "HS512"] = "HS256"
    """ALGORITHM of SIMPLE_JWT."""
    simplejwt_source: str = "django"
    """The name under which the project's users were imported."""
    simplejwt_user_id_claim: str = "user_id"
    """USER_ID_CLAIM of SIMPLE_JWT."""
    simplejwt_issuer: str = ""
    """ISSUER of SIMPLE_JWT; empty if it has none."""
    simplejwt_audience: str = ""
    """AUDIENCE of SIMPLE_JWT; empty if it has none."""

    @model_validator(mode="after")
    def _check_transition(self) -> Self:
        if self.simplejwt_secret is not None and self.simplejwt_until is None:
            raise ValueError("SIMPLEJWT_SECRET needs SIMPLEJWT_UNTIL, the end of the transition: 2027-06-01")
        if self.simplejwt_secret is None and self.simplejwt_until is not None:
            raise ValueError(
                "SIMPLEJWT_UNTIL needs SIMPLEJWT_SECRET, the SECRET_KEY of the project; afterwards, unset both"
            )
        return self

    @property
    def simplejwt(self) -> SimpleJwt | None:
        """Return the Django project whose tokens are accepted; None if there is none."""
        if self.simplejwt_secret is None or self.simplejwt_until is None:
            return None
        return SimpleJwt(
            self.simplejwt_secret.get_secret_value().encode(),
            self.simplejwt_algorithm,
            self.simplejwt_until,
            self.simplejwt_source,
            self.simplejwt_user_id_claim,
            self.simplejwt_issuer,
            self.simplejwt_audience,
        )

    @property
    def foreign_hashes(self) -> ForeignHashes:
        """Return the formats of hashes that are verified, with the secrets that two of them need."""
        signer_key, salt = self.firebase_signer_key, self.flask_security_password_salt
        return ForeignHashes(
            base64.b64decode(signer_key.get_secret_value()) if signer_key else None,
            salt.get_secret_value() if salt else None,
        )
