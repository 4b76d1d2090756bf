"""Decide whether a staff user may give or take a role, and manage a user: protected roles are for their holders.

Without this rule staff could give a role to an account of their own, and pass routes that only the role opens.
A role that differs from a protected one in case only is protected too: a service may compare roles without case.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from auth_service.accounts.user import User


class ProtectedRole(Exception):
    """A staff user without the role `role` would give or take it, or manage a user who holds it."""

    def __init__(self, role: str) -> None:
        super().__init__(role)
        self.role = role


@dataclass(frozen=True, slots=True)
class RoleProtection:
    """The roles that only staff users who hold them may give and take. An actor of None is an operator."""

    protected: frozenset[str] = frozenset()

    def check_change(self, actor: User | None, held: Iterable[str], wanted: Iterable[str]) -> None:
        """Raise ProtectedRole if `actor` may not change the roles from `held` to `wanted`."""
        self._check(actor, set(held) ^ set(wanted))

    def check_user(self, actor: User | None, user: User) -> None:
        """Raise ProtectedRole if `actor` may not manage `user`, who holds a role that the actor does not hold."""
        if actor is None or actor.id != user.id:
            self._check(actor, user.roles.split())

    def _check(self, actor: User | None, roles: Iterable[str]) -> None:
        if actor is None:
            return
        held = {role.casefold() for role in self.protected.intersection(actor.roles.split())}
        missing = {role.casefold() for role in self.protected} - held
        refused = sorted(role for role in roles if role.casefold() in missing)
        if refused:
            raise ProtectedRole(refused[0])
