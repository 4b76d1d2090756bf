"""Users: the values that the user store takes and returns, and their limits."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

MAX_EMAIL = 254
"""Characters of an e-mail address (RFC 3696, erratum 1690)."""
MAX_NAME = 150
"""Characters of a first name, and of a last name. As in Django."""
MAX_ROLES = 255
"""Characters of all roles together, with the spaces between."""
MAX_LANGUAGE = 8
"""Characters of a language tag (RFC 5646), such as `fr`."""

STAFF = "staff"
"""The role whose users may see and manage every user."""


class AccountStatus(StrEnum):
    """Whether a user may log in. Only an active one may."""

    UNVERIFIED = "unverified"
    """The e-mail address must be verified first, by the link in an activation or invitation mail."""
    ACTIVE = "active"
    BARRED = "barred"
    """Staff or an operator has deactivated the user. No mail can lift this."""


@dataclass(frozen=True, slots=True, repr=False)
class User:
    """A user, as stored when it was read. `roles` are separated by spaces; times are seconds since the epoch.

    `email_verified_at` is None until a link in a mail to this address was used. `email_changed_at` is the time of the
    registration until the address changes. `language` is the language of mails to the user; "" means not set.
    """

    id: UUID
    email: str
    first_name: str
    last_name: str
    roles: str
    status: AccountStatus
    password_hash: str
    password_changed_at: float
    email_changed_at: float
    email_verified_at: float | None = None
    language: str = ""

    @property
    def is_active(self) -> bool:
        """Return whether the user may log in."""
        return self.status is AccountStatus.ACTIVE

    @property
    def is_staff(self) -> bool:
        """Return whether the user has the role `staff`."""
        return STAFF in self.roles.split()


DUMMY_USER = User(UUID(int=0), "nobody@example.org", "", "", "", AccountStatus.BARRED, "", 0.0, 0.0)
"""Stands for an unknown user, for whom a log-in has to do the same work as for a known one."""


@dataclass(frozen=True, slots=True, repr=False)
class NewUser:
    """A user to register. Its address has been checked and its password hashed."""

    email: str
    password_hash: str
    first_name: str = ""
    last_name: str = ""
    roles: str = ""
    status: AccountStatus = AccountStatus.ACTIVE
    language: str = ""
    is_invited: bool = False
    """Whether the user gets an invitation mail in place of an activation mail."""
