"""Auth0: the file with the users and their bcrypt hashes (JSON Lines), which its support provides."""

from auth_service.importing.sources.columns import Columns


def _id(value: object) -> object:
    """Return the id, which MongoDB's extended JSON wraps: {"$oid": "..."}."""
    return value.get("$oid") if isinstance(value, dict) else value


def _time(value: object) -> object:
    """Return the time, which MongoDB's extended JSON wraps: {"$date": "..."}."""
    return value.get("$date") if isinstance(value, dict) else value


AUTH0 = Columns(
    {
        "id": "_id",
        "email": "email",
        "password_hash": "passwordHash",
        "first_name": "given_name",
        "last_name": "family_name",
        "created_at": "created_at",
        "last_login_at": "last_login",
        "email_verified_at": "email_verified",
        "is_active": "blocked",
    },
    convert={
        "id": _id,
        "created_at": _time,
        "last_login_at": _time,
        "is_active": lambda blocked: not blocked,
        "email_verified_at": lambda verified: verified is True,
    },
)
