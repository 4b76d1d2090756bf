"""Bodies of /auth/users/: register, read, rename, delete, change a password."""

from uuid import UUID

from pydantic import ConfigDict, Field

from auth_service.api.models.base import (
    ListResponse,
    Name,
    NewEmail,
    Password,
    RequestBody,
    ResponseBody,
    without_defaults,
)


class RegisterRequest(RequestBody):
    """A new account."""

    email: NewEmail
    password: Password
    first_name: Name = ""
    last_name: Name = ""


class RenameRequest(RequestBody):
    """New names of a user. A name that is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    first_name: Name = ""
    last_name: Name = ""

    def given_names(self) -> dict[str, str]:
        """Return the names that the body holds, by field name."""
        return self.model_dump(exclude_unset=True)


class SetPasswordRequest(RequestBody):
    """A new password, and the current one as proof."""

    new_password: Password
    current_password: Password


class DeleteUserRequest(RequestBody):
    """The caller's password, which the deletion of a user needs."""

    current_password: Password


class UserResponse(ResponseBody):
    """A user."""

    first_name: str = Field(examples=["Ann"])
    last_name: str = Field(examples=["Lee"])
    email: str = Field(examples=["ann@example.org"])
    id: UUID = Field(examples=["0e3b1f8a-5a0c-4c57-9a5b-0d6a2f4c9e11"])


class UserListResponse(ListResponse[UserResponse]):
    """The users that the caller may see."""
