"""Users: the values that the user store takes and returns, and their limits."""

from dataclasses import dataclass
from uuid import UUID

MAX_EMAIL = 254
"""Characters of an e-mail address (RFC 3696, erratum 1690)."""
MAX_NAME = 150
"""Characters of a first name, and of a last name. As in Django."""
MAX_ROLES = 255
"""Characters of all roles together, with the spaces between."""

STAFF = "staff"
"""The role whose users may see, rename and delete every user."""


@dataclass(frozen=True, slots=True, repr=False)
class User:
    """A user, as stored when it was read. `roles` are separated by spaces; times are seconds since the epoch."""

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
"""Stands for an unknown user, for whom a log-in has to do the same work as for a known one."""


@dataclass(frozen=True, slots=True, repr=False)
class NewUser:
    """A user to register. Its address has been checked and its password hashed."""

    email: str
    password_hash: str
    first_name: str = ""
    last_name: str = ""
    roles: str = ""
