"""The identity: the caller of a request, as the gateway asserts it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller. `subject` is the user's id, `session` the session id (`sid`).

    `claims` are those of the auth service's claims hook that the gateway forwards; they are JSON values.
    """

    subject: str
    session: str
    email: str
    roles: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def has_role(self, role: str) -> bool:
        """Return whether the caller has `role`."""
        return role in self.roles

    def missing_role(self, roles: tuple[str, ...]) -> str | None:
        """Return the first of `roles` that the caller does not have, or None."""
        return next((role for role in roles if role not in self.roles), None)
