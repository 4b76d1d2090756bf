"""Keycloak: a realm's export (`kc.sh export --realm NAME --users realm_file`), with the credentials of its users."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from auth_service.accounts.foreign_hashes.argon2_hash import phc_form
from auth_service.accounts.foreign_hashes.foreign_hash import UnsupportedHash, decoded_base64
from auth_service.accounts.foreign_hashes.pbkdf2 import passlib_form

_PBKDF2 = {"pbkdf2": "sha1", "pbkdf2-sha256": "sha256", "pbkdf2-sha512": "sha512"}


def read_user(user: Mapping[str, object]) -> Mapping[str, object]:
    """Return the fields of a user of a realm."""
    created = user.get("createdTimestamp")
    return {
        "id": user.get("id"),
        "email": user.get("email"),
        "password_hash": _stored_password(user.get("credentials")),
        "first_name": user.get("firstName"),
        "last_name": user.get("lastName"),
        "roles": user.get("realmRoles"),
        "is_active": user.get("enabled", True),
        "created_at": created / 1000 if isinstance(created, int | float) else None,
        "email_verified_at": user.get("emailVerified") is True,
    }


def _stored_password(credentials: object) -> object:
    """Return the user's password in a form that the import reads; None if there is none."""
    for credential in credentials if isinstance(credentials, list) else ():
        if isinstance(credential, dict) and credential.get("type") == "password":
            try:
                return _stored(_members(credential, "secretData"), _members(credential, "credentialData"))
            except (UnsupportedHash, LookupError, TypeError, ValueError):
                return "unreadable credential of Keycloak"  # reported as a hash of an unknown format
    return None


def _stored(secret: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    key, salt = decoded_base64(str(secret["value"]), "hash"), decoded_base64(str(secret["salt"]), "salt")
    algorithm, iterations = str(data["algorithm"]), int(data["hashIterations"])
    if algorithm == "argon2":
        return _argon2(data["additionalParameters"], iterations, salt, key)
    # The digest is lost if the name is unknown: the import then reports the hash.
    return passlib_form(_PBKDF2.get(algorithm, algorithm), iterations, salt, key)


def _argon2(parameters: Mapping[str, Sequence[str]], passes: int, salt: bytes, key: bytes) -> str:
    """Return the PHC string. Keycloak stores each parameter as a list of one text."""
    one = {name: values[0] for name, values in parameters.items()}
    version = {"1.3": 19, "1.0": 16}.get(one.get("version", "1.3"), 0)
    return phc_form(f"argon2{one['type']}", version, int(one["memory"]), passes, int(one["parallelism"]), salt, key)


def _members(credential: Mapping[str, object], name: str) -> Mapping[str, Any]:
    """Return an object of a credential, which is a JSON text inside the JSON document."""
    value = credential[name]
    members = json.loads(value) if isinstance(value, str) else value
    if not isinstance(members, dict):
        raise TypeError(f"{name} is not an object")
    return members
