"""Base classes and field types of the request and response models."""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    RootModel,
    StringConstraints,
    WithJsonSchema,
)

from auth_service.accounts.email_addresses import is_email
from auth_service.accounts.passwords.rules import MAX_PASSWORD
from auth_service.accounts.user import MAX_EMAIL, MAX_NAME
from auth_service.api.models.field_errors import field_error


class RequestBody(BaseModel):
    """A request body. As with djoser, unknown fields are ignored and a number is read as the string of its digits."""

    # Error messages do not show the input, which may contain passwords and tokens.
    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True, hide_input_in_errors=True)


def without_defaults(schema: dict[str, Any]) -> None:
    """Remove the defaults from a JSON Schema, for bodies in which a missing field means that it does not change."""
    for field in schema["properties"].values():
        field.pop("default", None)


class ResponseBody(BaseModel):
    """A response body."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


Item = TypeVar("Item", bound=ResponseBody)


class ListResponse(RootModel[list[Item]], Generic[Item]):
    """A response body that is a JSON array."""

    model_config = ConfigDict(frozen=True)


def _trim(value: object) -> object:
    """Return text without white space at its ends. Refuse null and text with NUL characters."""
    if value is None:
        raise field_error("null")
    if not isinstance(value, str):
        return value
    if "\0" in value:
        raise field_error("null_character")
    # str.strip, as djoser does. pydantic's strip_whitespace keeps U+001C to U+001F, so some stored passwords would no
    # longer match.
    return value.strip()


def _require_email_type(value: object) -> object:
    # As djoser: for these types the error message is that of an invalid address, not "Not a valid string."
    if isinstance(value, bool | list | dict):
        raise field_error("email")
    return value


def _require_email(text: str) -> str:
    if not is_email(text):
        raise field_error("email")
    return text


def rfc3339_timestamp(seconds: float) -> str:
    """Return a time in seconds since the epoch as text in UTC, such as 2026-11-23T19:08:00.000Z. RFC 3339."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Trimmed = BeforeValidator(_trim)

NewEmail = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_EMAIL),
    Trimmed,
    BeforeValidator(_require_email_type),
    AfterValidator(_require_email),
    Field(examples=["ann@example.org"], json_schema_extra={"format": "email"}),
]
"""The e-mail address of a new account. The view checks whether another account has it."""

LoginEmail = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_EMAIL), Trimmed, Field(examples=["ann@example.org"])
]
"""The e-mail address of a log-in. Its form is not checked, because every unknown address is answered 401."""

Password = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_PASSWORD),
    Trimmed,
    Field(repr=False, examples=["correct horse battery"], json_schema_extra={"format": "password"}),
]
"""A current or new password. The view checks the rules for new passwords."""

Name = Annotated[str, StringConstraints(max_length=MAX_NAME), Trimmed, Field(examples=["Ann"])]
"""A first or last name. It may be blank."""

Token = Annotated[str, StringConstraints(min_length=1), Trimmed, Field(repr=False, examples=["eyJhbGciOi..."])]
"""A JWT. The token reader limits its length."""

SessionId = Annotated[str, Field(examples=["9f2c4e6a8b0d1f3a5c7e9b1d3f5a7c9e"])]
"""The `sid` claim of the session's tokens."""

Device = Annotated[str, Field(examples=["Mozilla/5.0 (X11; Linux x86_64)"])]
"""The User-Agent of the client."""

Address = Annotated[str, Field(examples=["203.0.113.7"])]
"""The IP address of the client."""

Timestamp = Annotated[
    float,
    PlainSerializer(rfc3339_timestamp, return_type=str),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2026-11-23T19:08:00.000Z"]}, mode="serialization"
    ),
]
"""Seconds since the epoch. In a response: text in the form of RFC 3339."""
