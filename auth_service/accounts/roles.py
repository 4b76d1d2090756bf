"""The names of roles, and the check of new ones."""

import re
from collections.abc import Iterable, Sequence

from auth_service.accounts.user import MAX_ROLES

MAX_ROLE = 64
"""Characters of the name of a role."""

# Neither a space nor a comma, which separate roles in tokens and headers, and no quote or percent sign.
_ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*", re.ASCII)


class InvalidRole(ValueError):
    """A name is not that of a role, or the roles are too long together. The message is a sentence for the user."""


def check_roles(roles: Iterable[str], *, held: Iterable[str] = ()) -> Sequence[str]:
    """Return the roles, each once. Raises InvalidRole.

    The roles that the user has already are in `held`. They may have other characters, as an import stores them.
    """
    unique = tuple(dict.fromkeys(roles))
    for role in unique:
        if role not in held:
            _check_role(role)
    if len(" ".join(unique)) > MAX_ROLES:
        raise InvalidRole(f"All roles together must have at most {MAX_ROLES} characters.")
    return unique


def _check_role(role: str) -> None:
    if len(role) > MAX_ROLE:
        raise InvalidRole(f"A role must have at most {MAX_ROLE} characters.")
    if not _ROLE.fullmatch(role):
        raise InvalidRole(
            f"{role!r} is not the name of a role: use letters, digits and any of . _ : / @ + -, "
            "and begin with a letter or digit."
        )
