"""Manage the accounts of others: invite, rename, grant roles, deactivate, activate, delete, end sessions.

`by` is the staff user who acts; None stands for an operator, who can always grant the role staff again. Staff users
cannot deactivate themselves or give up their own role staff, and cannot remove the last active staff user.
They can neither give nor take a protected role that they do not hold, nor manage its holders.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from auth_service.accounts.roles import check_roles
from auth_service.accounts.store import UserStore
from auth_service.accounts.user import STAFF, AccountStatus, NewUser, User
from auth_service.administration.role_protection import RoleProtection
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
    protection: RoleProtection

    def create(self, user: NewUser, roles: Sequence[str], *, by: User | None) -> User:
        """Register a user with roles. Raises EmailTaken, InvalidRole or ProtectedRole."""
        checked = check_roles(roles)
        self.protection.check_change(by, (), checked)
        return self.users.register(replace(user, roles=" ".join(checked)), self.clock())

    def invite(self, user: NewUser, roles: Sequence[str], *, by: User | None) -> User:
        """Register an unverified user without a password, and invite them. Raises as `create`."""
        invited = replace(user, password_hash="", status=AccountStatus.UNVERIFIED, is_invited=True)
        return self.create(invited, roles, by=by)

    def invite_again(self, user: User, *, by: User | None) -> None:
        """Send another invitation to an unverified user. Raises NotInvitable or ProtectedRole."""
        self.protection.check_user(by, user)
        if user.status is not AccountStatus.UNVERIFIED:
            raise NotInvitable
        client = self.current_client()
        self.audit.record(UserInvited(self.clock(), user.id, client, user.email, user.roles, is_repeated=True))

    def change_roles(self, user_id: UUID, change: ChangeRoles, *, by: User | None) -> Changed:
        """Give the user the roles that `change` returns. If they differ, end the sessions.

        The tokens of the sessions have the old roles.
        Raises NoSuchUser, InvalidRole, ProtectedRole, OwnAccount, LastStaffUser or RolesConflict.
        """
        for _ in range(_ATTEMPTS):
            user = self._find(user_id)
            held = user.roles.split()
            roles = check_roles(change(held), held=held)
            if set(roles) == set(held):
                return Changed(user, 0)
            self.protection.check_user(by, user)
            self.protection.check_change(by, held, roles)
            if _is_own(user, by) and user.is_staff and STAFF not in roles:
                raise OwnAccount
            ended = self.users.set_roles(user, roles, self.clock(), keep_staff=by is not None and user.is_staff)
            if ended is not None:
                return Changed(replace(user, roles=" ".join(roles)), ended)
        raise RolesConflict

    def rename(self, user: User, names: Mapping[str, str], *, by: User | None) -> User | None:
        """Set the first_name and last_name that `names` has. Return None if the user was deleted meanwhile.

        Raises ProtectedRole.
        """
        self.protection.check_user(by, user)
        return self.users.rename(user.id, names, self.clock())

    def deactivate(self, user: User, *, by: User | None) -> Changed:
        """Forbid the user to log in and end its sessions. Raises OwnAccount, ProtectedRole or LastStaffUser."""
        if _is_own(user, by):
            raise OwnAccount
        self.protection.check_user(by, user)
        if user.status is AccountStatus.BARRED:
            return Changed(user, 0)
        ended = self.users.deactivate(user, self.clock(), keep_staff=by is not None and user.is_staff)
        return Changed(replace(user, status=AccountStatus.BARRED), ended)

    def activate(self, user: User, *, by: User | None) -> User:
        """Allow the user to log in, also without a verified address. Raises ProtectedRole."""
        self.protection.check_user(by, user)
        self.users.activate(user, self.clock())
        return replace(user, status=AccountStatus.ACTIVE)

    def delete(self, user: User, *, by: User | None) -> int:
        """Delete the user and return how many sessions that ended. Raises ProtectedRole or LastStaffUser."""
        self.protection.check_user(by, user)
        return self.users.delete(user, self.clock(), keep_staff=by is not None and user.is_staff)

    def end_session(self, user: User, sid: str, *, by: User | None) -> bool:
        """End a session of the user; return False if it has ended or is another user's. Raises ProtectedRole."""
        self.protection.check_user(by, user)
        return self.sessions.end(sid, self.clock(), EndReason.ENDED_BY_OPERATOR, owner=user.id)

    def end_sessions(self, user: User, *, by: User | None) -> int:
        """End every session of the user and return how many ended. Raises ProtectedRole."""
        self.protection.check_user(by, user)
        return self.sessions.end_all(user.id, self.clock(), EndReason.ENDED_BY_OPERATOR)

    def _find(self, user_id: UUID) -> User:
        user = self.users.find(user_id)
        if user is None:
            raise NoSuchUser
        return user


def _is_own(user: User, by: User | None) -> bool:
    return by is not None and by.id == user.id
