"""The interface of the user store."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from auth_service.accounts.user import NewUser, User


class EmailTaken(Exception):
    """A user has registered with this address or another spelling of it."""


class LastStaffUser(Exception):
    """The change would leave no active user with the role `staff`. Nothing was changed."""


class UserStore(Protocol):
    """Stored users. Times are seconds since the epoch. `keep` is the `sid` of a session that does not end.

    Every method raises StoreUnavailable while the database does not answer. Every method that changes data commits.
    If it ends sessions, it adds audit records in the same transaction and dispatches the events after the commit.
    """

    def find(self, user_id: UUID) -> User | None:
        """Return the user `user_id`, active or not."""

    def find_by_email(self, email: str) -> User | None:
        """Return the user with this mailbox, active or not. It releases its connection before it returns."""

    def is_email_taken(self, email: str) -> bool:
        """Return whether a user has registered with this mailbox."""

    def register(self, user: NewUser, now: float) -> User:
        """Store a new user. Raises EmailTaken, also if two registrations of one mailbox run at once.

        A refused registration runs the same statements, so that its time does not reveal that the address is taken.
        """

    def rename(self, user_id: UUID, names: Mapping[str, str], now: float) -> User | None:
        """Set the first_name and last_name that `names` has, and return the user; None if there is no such user."""

    def change_password(self, user: User, password_hash: str, now: float, *, keep: str | None) -> bool:
        """Store the hash and end every session except `keep`.

        Return False and change nothing if the password was changed, or the user deactivated or deleted, since `user`
        was read.
        """

    def reset_password(self, user: User, password_hash: str, now: float) -> bool:
        """Store the hash for a user who has proved to own the mailbox, and end every session.

        The address is verified by that, so an unverified user becomes active. Return False and change nothing if the
        status, the password or the address was changed, or the user deleted, since `user` was read, or if the user is
        barred.
        """

    def change_email(self, user: User, email: str, now: float, *, keep: str | None) -> bool:
        """Store another address, which is not verified yet, and end every session except `keep`.

        Return False and change nothing if the status, the password or the address was changed, or the user deleted,
        since `user` was read, or if the user is not active. Raises EmailTaken if another user has the mailbox.
        """

    def accept_invitation(self, user: User, password_hash: str, now: float) -> bool:
        """Store the password of an invited user, who has proved to own the mailbox, and make the user active.

        Return False and change nothing if the user is not unverified any more, or was changed since `user` was read.
        """

    def set_roles(self, user: User, roles: Sequence[str], now: float, *, keep_staff: bool = False) -> int | None:
        """Set the user's roles and end its sessions, whose tokens have the old roles. Return how many ended.

        Return None and change nothing if the roles were changed, or the user deleted, since `user` was read. With
        `keep_staff`, raises LastStaffUser if `roles` lacks `staff` and no other active user has it.
        """

    def activate_verified(self, user: User, now: float) -> bool:
        """Allow an unverified user to log in, whose address was verified.

        Return False and change nothing if the user is not unverified any more, or the address was changed.
        """

    def activate(self, user: User, now: float) -> None:
        """Allow the user to log in, at the request of staff or an operator. Nothing changes if the user is active."""

    def deactivate(self, user: User, now: float, *, keep_staff: bool = False) -> int:
        """Forbid the user to log in and end its sessions. Return how many sessions ended.

        Nothing changes if the user is deactivated, also by another request since `user` was read.
        With `keep_staff`, raises LastStaffUser if no other active user has the role `staff`.
        """

    def delete(self, user: User, now: float, *, keep_staff: bool = False) -> int:
        """Delete the user and end its sessions. Return how many sessions ended.

        With `keep_staff`, raises LastStaffUser if no other active user has the role `staff`.
        """

    def count(self, user_id: UUID | None, *, search: str = "") -> int:
        """Return the number of users that `page` returns without limits."""

    def page(
        self, user_id: UUID | None, *, search: str = "", offset: int = 0, limit: int | None = None
    ) -> Sequence[User]:
        """Return users in the order of registration; with `user_id`, only that user.

        With `search`, return only users whose address or a name contains each of its words, in any case.
        """
