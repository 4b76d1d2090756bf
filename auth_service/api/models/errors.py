"""Bodies of error responses."""

from pydantic import ConfigDict, Field, RootModel

from auth_service.api.models.base import ResponseBody
from contract.internal_api import SESSION_ENDED


class ErrorResponse(ResponseBody):
    """An error as a text."""

    detail: str = Field(examples=["Not found."])


class CodedErrorResponse(ErrorResponse):
    """An error as a text and as a code, by which clients distinguish errors with the same status."""

    code: str = Field(examples=["token_not_valid"])


class FieldErrorsResponse(RootModel[dict[str, list[str]]]):
    """The texts for each invalid field. Those for the whole body have the name `non_field_errors`."""

    model_config = ConfigDict(
        frozen=True, json_schema_extra={"examples": [{"email": ["Enter a valid email address."]}]}
    )


class ErrorListResponse(RootModel[list[str]]):
    """The texts of errors that belong to no field and have no code."""

    model_config = ConfigDict(
        frozen=True, json_schema_extra={"examples": [["User with given email does not exist."]]}
    )


class TokenErrorMessage(ResponseBody):
    """The reason why an access token was refused."""

    token_class: str = Field(default="AccessToken", examples=["AccessToken"])
    token_type: str = Field(default="access", examples=["access"])
    message: str = Field(examples=["Token is expired"])


class AccessTokenErrorResponse(ResponseBody):
    """A refused access token."""

    detail: str = Field(
        default="Given token not valid for any token type", examples=["Given token not valid for any token type"]
    )
    code: str = Field(default="token_not_valid", examples=["token_not_valid"])
    messages: list[TokenErrorMessage]


class ProtectedRoleResponse(ErrorResponse):
    """Staff who do not hold the protected role `role` would give or take it, or manage a user who holds it."""

    detail: str = Field(
        default="Only staff who hold a protected role can give or take it, and manage users who hold it.",
        examples=["Only staff who hold a protected role can give or take it, and manage users who hold it."],
    )
    code: str = Field(default="protected_role", examples=["protected_role"])
    role: str = Field(examples=["admin"])


class InsufficientAuthenticationResponse(ErrorResponse):
    """The act needs a password that was entered at most `max_age` seconds ago."""

    detail: str = Field(
        default="Enter your password again, because this act needs a recent log-in.",
        examples=["Enter your password again, because this act needs a recent log-in."],
    )
    code: str = Field(default="insufficient_user_authentication", examples=["insufficient_user_authentication"])
    max_age: int = Field(examples=[600])


class SessionEndedResponse(ResponseBody):
    """A browser session has ended or never existed. `ended_seconds_ago` is null if the time is unknown."""

    detail: str = Field(
        default="There is no such session, or it has ended.",
        examples=["There is no such session, or it has ended."],
    )
    code: str = Field(default=SESSION_ENDED, examples=[SESSION_ENDED])
    ended_seconds_ago: float | None = Field(examples=[12.5])
