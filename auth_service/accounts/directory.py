"""The interface of the user directory: lists of users for staff and operators."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from auth_service.accounts.user import AccountStatus, User


@dataclass(frozen=True, slots=True, repr=False)
class Account:
    """A user with the times of the registration and of the last log-in, in seconds since the epoch."""

    user: User
    created_at: float
    last_login_at: float | None


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """Which users to list. Empty values and None match every user.

    The address or a name contains each word of `search`; upper and lower case are equal there. The user has the role
    `role`; upper and lower case differ there.
    """

    search: str = ""
    role: str = ""
    status: AccountStatus | None = None


class UserDirectory(Protocol):
    """Reads users. Every method raises StoreUnavailable while the database does not answer."""

    def find(self, user_id: UUID) -> Account | None:
        """Return the user `user_id`."""

    def emails(self, user_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """Return the e-mail addresses of the users, without those who do not exist."""

    def count(self, wanted: AccountFilter) -> int:
        """Return how many users match."""

    def page(self, wanted: AccountFilter, *, offset: int, limit: int) -> Sequence[Account]:
        """Return at most `limit` matching users in the order of registration, after the first `offset`."""
