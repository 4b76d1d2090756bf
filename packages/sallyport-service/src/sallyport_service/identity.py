"""The identity: the caller of a request, as the gateway asserts it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller. `subject` is the user's id, `session` the session id (`sid`)."""

    subject: str
    session: str
    email: str
    roles: tuple[str, ...] = ()

    def has_role(self, role: str) -> bool:
        """Return whether the caller has `role`."""
        return role in self.roles

    def missing_role(self, roles: tuple[str, ...]) -> str | None:
        """Return the first of `roles` that the caller does not have, or None."""
        return next((role for role in roles if role not in self.roles), None)
