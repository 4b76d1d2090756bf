"""Flask-Security, fastapi-users and Supabase: the tables of their users."""

from auth_service.accounts.foreign_hashes.flask_security import PREFIX
from auth_service.importing.sources.columns import Columns


def _keyed_digest(stored: object) -> object:
    """Return the hash with the mark of Flask-Security, which hashes a keyed digest of each password."""
    return PREFIX + stored if isinstance(stored, str) and stored else stored


def _is_set(value: object) -> object:
    return bool(value)


FLASK_SECURITY_TABLE = "user"
FLASK_SECURITY = Columns(
    {
        "id": "id",
        "email": "email",
        "password_hash": "password",
        "is_active": "active",
        "email_verified_at": "confirmed_at",
    },
    convert={"password_hash": _keyed_digest},
)
"""The model of Flask-Security's documentation, with SECURITY_PASSWORD_SALT."""

FASTAPI_USERS_TABLE = "user"
FASTAPI_USERS = Columns(
    {
        "id": "id",
        "email": "email",
        "password_hash": "hashed_password",
        "is_active": "is_active",
        "email_verified_at": "is_verified",
    },
    roles=(("is_superuser", "staff"),),
    convert={"email_verified_at": _is_set},
)

SUPABASE_TABLE = "auth.users"
SUPABASE = Columns(
    {
        "id": "id",
        "email": "email",
        "password_hash": "encrypted_password",
        "is_active": "banned_until",
        "created_at": "created_at",
        "last_login_at": "last_sign_in_at",
        "email_verified_at": "email_confirmed_at",
    },
    convert={"is_active": lambda banned_until: not banned_until},
)
"""A user with a ban, also a past one, is imported as inactive."""
