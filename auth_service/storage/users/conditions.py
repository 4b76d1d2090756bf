"""The columns of a user, and the conditions that select users."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, func, literal, or_, select

from auth_service.accounts.user import STAFF, AccountStatus
from auth_service.storage.models import UserRow

USER_FIELDS = (
    UserRow.id,
    UserRow.email,
    UserRow.first_name,
    UserRow.last_name,
    UserRow.roles,
    UserRow.status,
    UserRow.password_hash,
    UserRow.password_changed_at,
    UserRow.email_changed_at,
    UserRow.email_verified_at,
    UserRow.language,
)
"""In the order of the fields of User."""


def matches_search(search: str) -> Sequence[ColumnElement[bool]]:
    """Return the conditions that the address or a name contains each word of `search`, in any case."""
    searched = (UserRow.email, UserRow.email_folded, UserRow.first_name, UserRow.last_name)
    return [or_(*(column.icontains(term, autoescape=True) for column in searched)) for term in search.split()]


def has_role(role: str) -> ColumnElement[bool]:
    """Return the condition that the user has the role."""
    padded = literal(" ").concat(UserRow.roles).concat(" ")
    # Not LIKE, which ignores case on SQLite and has wildcards.
    return func.replace(padded, f" {role} ", "") != padded


def is_last_staff_user(connection: Connection, user_id: UUID) -> bool:
    """Return whether no other active user has the role `staff`, and this one has it.

    The rows of all staff users are locked until the transaction ends, so that two staff users cannot remove each
    other at the same time. SQLite serializes all writes anyway.
    """
    staff = (
        select(UserRow.id)
        .where(UserRow.status == AccountStatus.ACTIVE, has_role(STAFF))
        .order_by(UserRow.id)
        .with_for_update()
    )
    return list(connection.scalars(staff)) == [user_id]
