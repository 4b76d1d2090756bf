"""A user from a source whose fields have been checked, and the stable ids of users from a source."""

from dataclasses import dataclass
from uuid import UUID, uuid5

from auth_service.accounts.user import AccountStatus

MAX_SOURCE = 64
"""Characters of the name of a source."""
MAX_KEY = 255
"""Characters of a user's id in a source."""

_NAMESPACE = UUID("0f3c2a9e-7a52-5d0c-9f0e-5a1f4bb1c7de")
"""The namespace (RFC 9562 5.5) of user ids that are derived from the ids of a source."""


@dataclass(frozen=True, slots=True, repr=False)
class ImportedUser:
    """A user to import. `key` is the id in the source; `password_hash` is "" for a user without a password.

    Times are seconds since the epoch.
    """

    row: int
    key: str
    user_id: UUID
    email: str
    email_key: str
    password_hash: str
    first_name: str
    last_name: str
    roles: str
    status: AccountStatus
    created_at: float
    last_login_at: float | None
    email_verified_at: float | None
    language: str


def derived_id(source: str, key: str) -> UUID:
    """Return the id of a user whose id in the source is not a UUID. It is the same in every import and database."""
    return uuid5(_NAMESPACE, f"{source}:{key}")
