"""Manage the accounts of others: invite, grant roles, deactivate, activate, delete, end sessions.

`by` is the staff user who acts; None stands for an operator, who can always grant the role staff again. Staff
users cannot deactivate themselves or give up their own role staff, and cannot remove the last active staff user.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from auth_service.accounts.roles import check_roles
from auth_service.accounts.store import UserStore
from auth_service.accounts.user import STAFF, AccountStatus, NewUser, User
from auth_service.audit.store import AuditStore
from auth_service.events.account_events import EndReason, UserInvited
from auth_service.events.client import Client
from auth_service.sessions.store import SessionStore
from chassis.clock import Clock

_ATTEMPTS = 5
"""Attempts to change roles that others change at the same time."""

ChangeRoles = Callable[[Sequence[str]], Sequence[str]]
"""Returns the new roles of a user for the present ones."""


class NoSuchUser(Exception):
    """The user does not exist, or was deleted meanwhile."""


class OwnAccount(Exception):
    """A staff user would deactivate the own account or give up the own role `staff`."""


class NotInvitable(Exception):
    """The user is active or deactivated, so an invitation would not work."""


class RolesConflict(Exception):
    """Others change the roles of the user at the same time, again and again."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A changed user, and how many sessions the change ended."""

    user: User
    sessions_ended: int


@dataclass(frozen=True, slots=True)
class UserAdministration:
    """Manages users. Every act is in the audit trail with the actor of the current client."""

    users: UserStore
    sessions: SessionStore
    audit: AuditStore
    current_client: Callable[[], Client]
    clock: Clock

    def invite(
        self, email: str, roles: Sequence[str], *, first_name: str = "", last_name: str = "", language: str = ""
    ) -> User:
        """Register an unverified user without a password, and invite them. Raises EmailTaken or InvalidRole."""
        new_user = NewUser(
            email,
            "",
            first_name,
            last_name,
            " ".join(check_roles(roles)),
            AccountStatus.UNVERIFIED,
            language,
            is_invited=True,
        )
        return self.users.register(new_user, self.clock())

    def invite_again(self, user: User) -> None:
        """Send another invitation to an unverified user. Raises NotInvitable."""
        if user.status is not AccountStatus.UNVERIFIED:
            raise NotInvitable
        self.audit.record(UserInvited(self.clock(), user.id, self.current_client(), user.email, user.roles))

    def change_roles(self, user_id: UUID, change: ChangeRoles, *, by: UUID | None) -> Changed:
        """Give the user the roles that `change` returns. If they differ, end the sessions.

        The tokens of the sessions have the old roles.
        Raises NoSuchUser, InvalidRole, OwnAccount, LastStaffUser or RolesConflict.
        """
        for _ in range(_ATTEMPTS):
            user = self._find(user_id)
            held = user.roles.split()
            roles = check_roles(change(held), held=held)
            if set(roles) == set(held):
                return Changed(user, 0)
            if by == user.id and user.is_staff and STAFF not in roles:
                raise OwnAccount
            ended = self.users.set_roles(user, roles, self.clock(), keep_staff=by is not None and user.is_staff)
            if ended is not None:
                return Changed(replace(user, roles=" ".join(roles)), ended)
        raise RolesConflict

    def deactivate(self, user: User, *, by: UUID | None) -> Changed:
        """Forbid the user to log in and end its sessions. Raises OwnAccount or LastStaffUser."""
        if by == user.id:
            raise OwnAccount
        if user.status is AccountStatus.BARRED:
            return Changed(user, 0)
        ended = self.users.deactivate(user, self.clock(), keep_staff=by is not None and user.is_staff)
        return Changed(replace(user, status=AccountStatus.BARRED), ended)

    def activate(self, user: User) -> User:
        """Allow the user to log in, also without a verified address."""
        self.users.activate(user, self.clock())
        return replace(user, status=AccountStatus.ACTIVE)

    def delete(self, user: User, *, by: UUID | None) -> int:
        """Delete the user and return how many sessions that ended. Raises LastStaffUser."""
        return self.users.delete(user, self.clock(), keep_staff=by is not None and user.is_staff)

    def end_session(self, user: User, sid: str) -> bool:
        """End a session of the user; return False if it has ended or belongs to another user."""
        return self.sessions.end(sid, self.clock(), EndReason.ENDED_BY_OPERATOR, owner=user.id)

    def end_sessions(self, user: User) -> int:
        """End every session of the user and return how many ended."""
        return self.sessions.end_all(user.id, self.clock(), EndReason.ENDED_BY_OPERATOR)

    def _find(self, user_id: UUID) -> User:
        user = self.users.find(user_id)
        if user is None:
            raise NoSuchUser
        return user
