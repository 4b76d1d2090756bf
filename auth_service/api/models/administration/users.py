"""Bodies of /auth/admin/: users with roles and status, and invitations."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints

from auth_service.accounts.directory import Account
from auth_service.accounts.user import MAX_LANGUAGE, AccountStatus, NewUser
from auth_service.api.models.base import Name, NewEmail, Password, RequestBody, ResponseBody, Timestamp, Trimmed
from auth_service.api.models.field_errors import field_error

MAX_LISTED_ROLES = 100
"""Roles that a request may list."""


def _list_of_texts(value: object) -> object:
    """Return the roles of a request: a list of texts, or a text with spaces between, as a form has it."""
    if value is None:
        raise field_error("null")
    roles = value.split() if isinstance(value, str) else value
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise field_error("role_list")
    if len(roles) > MAX_LISTED_ROLES:
        raise field_error("role_list")
    return [role.strip() for role in roles]


Roles = Annotated[list[str], BeforeValidator(_list_of_texts), Field(examples=[["staff", "beta"]])]
"""Roles. The service checks their names."""


class RolesRequest(RequestBody):
    """All roles of a user."""

    roles: Roles


class InvitationRequest(RequestBody):
    """A user to invite."""

    email: NewEmail
    roles: Roles = []
    first_name: Name = ""
    last_name: Name = ""
    language: Annotated[str, StringConstraints(max_length=MAX_LANGUAGE), Trimmed, Field(examples=["fr"])] = ""

    def new_user(self, password_hash: str = "") -> NewUser:
        """Return the user to register, without the roles."""
        return NewUser(self.email, password_hash, self.first_name, self.last_name, language=self.language)


class CreateUserRequest(InvitationRequest):
    """A user to create, who can log in with the password at once."""

    password: Password


class AccountResponse(ResponseBody):
    """A user as staff see it. Times are null if there was none."""

    id: UUID = Field(examples=["0e3b1f8a-5a0c-4c57-9a5b-0d6a2f4c9e11"])
    email: str = Field(examples=["ann@example.org"])
    first_name: str = Field(examples=["Ann"])
    last_name: str = Field(examples=["Lee"])
    roles: list[str] = Field(examples=[["staff", "beta"]])
    status: AccountStatus = Field(examples=["active"])
    language: str = Field(examples=["fr"])
    created_at: Timestamp
    last_login_at: Timestamp | None
    email_verified_at: Timestamp | None

    @classmethod
    def of(cls, account: Account) -> Self:
        """Return the response for a user."""
        user = account.user
        return cls(
            id=user.id,
            email=user.email,
            first_name=user.first_name,
            last_name=user.last_name,
            roles=user.roles.split(),
            status=user.status,
            language=user.language,
            created_at=account.created_at,
            last_login_at=account.last_login_at,
            email_verified_at=user.email_verified_at,
        )
