"""Bodies of /auth/users/: users, and the requests to register, rename and delete them."""

from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from auth_service.accounts.user import MAX_LANGUAGE
from auth_service.api.models.base import (
    ListResponse,
    Name,
    NewEmail,
    Password,
    RequestBody,
    ResponseBody,
    Trimmed,
    without_defaults,
)
from auth_service.api.models.passwords import CurrentPasswordRequest


class RegisterRequest(RequestBody):
    """A new account."""

    email: NewEmail
    password: Password
    first_name: Name = ""
    last_name: Name = ""

    @property
    def retyped(self) -> str | None:
        """Return the second password; None if the request need not have one."""
        return None


class RetypedRegisterRequest(RegisterRequest):
    """A new account, with the password twice."""

    re_password: Password

    @property
    def retyped(self) -> str:
        """Return the second password."""
        return self.re_password


class RenameRequest(RequestBody):
    """New names of a user. A missing name does not change."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    first_name: Name = ""
    last_name: Name = ""

    def given_names(self) -> dict[str, str]:
        """Return the names that the request contains, by field name."""
        return self.model_dump(exclude_unset=True)


class ProfileRequest(RenameRequest):
    """New names and a language of a user, from a hosted page. A missing one does not change."""

    language: Annotated[str, StringConstraints(max_length=MAX_LANGUAGE), Trimmed, Field(examples=["fr"])] = ""


class DeleteUserRequest(CurrentPasswordRequest):
    """The caller's password, without which no user is deleted."""


class UserResponse(ResponseBody):
    """A user."""

    first_name: str = Field(examples=["Ann"])
    last_name: str = Field(examples=["Lee"])
    email: str = Field(examples=["ann@example.org"])
    id: UUID = Field(examples=["0e3b1f8a-5a0c-4c57-9a5b-0d6a2f4c9e11"])


class UserListResponse(ListResponse[UserResponse]):
    """The users that the caller may see."""
