"""Users: the values that the user store takes and returns, and their limits."""

from dataclasses import dataclass
from uuid import UUID

MAX_EMAIL = 254
MAX_NAME = 150
MAX_ROLES = 255
"""Characters of all roles together, with the spaces between."""

STAFF = "staff"
"""The role that sees and deletes every user."""


@dataclass(frozen=True, slots=True, repr=False)
class User:
    """A user as stored when it was read. `roles` are separated by spaces; times are seconds since the epoch."""

    id: UUID
    email: str
    first_name: str
    last_name: str
    roles: str
    is_active: bool
    password_hash: str
    password_changed_at: float

    @property
    def is_staff(self) -> bool:
        """Return whether the user has the role `staff`."""
        return STAFF in self.roles.split()


DUMMY_USER = User(UUID(int=0), "nobody@example.org", "", "", "", False, "", 0.0)
"""Takes the place of an unknown user where the same work has to be done for known and unknown users."""


@dataclass(frozen=True, slots=True, repr=False)
class NewUser:
    """A user to register. The address has been checked and the password hashed."""

    email: str
    password_hash: str
    first_name: str = ""
    last_name: str = ""
    roles: str = ""
