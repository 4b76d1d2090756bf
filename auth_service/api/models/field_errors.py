"""The text of a field error for each pydantic error type that a request body can cause.

The texts are those of Django REST framework, because clients that were written for djoser show them to users.
"""

from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

TEXTS: Mapping[str, str] = {
    # Error types of pydantic.
    "missing": "This field is required.",
    "string_type": "Not a valid string.",
    "string_too_short": "This field may not be blank.",  # every minimum length in this API is 1
    "string_too_long": "Ensure this field has no more than {max_length} characters.",
    "string_pattern_mismatch": "This value does not match the required pattern.",
    "string_unicode": "This field is not valid UTF-8.",
    # Error types of our own validators.
    "null": "This field may not be null.",
    "null_character": "Null characters are not allowed.",
    "email": "Enter a valid email address.",
    "role_list": "Enter a list of at most 100 roles.",
}


def field_error(error_type: str) -> PydanticCustomError:
    """Return the error that a validator raises for `error_type`, a key of TEXTS."""
    return PydanticCustomError(error_type, TEXTS[error_type])


def field_errors(error: ValidationError) -> dict[str, list[str]]:
    """Return the texts for each invalid field, by the field's name."""
    texts: dict[str, list[str]] = {}
    for found in error.errors(include_url=False, include_input=False):
        text = TEXTS[found["type"]].format_map(found.get("ctx", {}))
        texts.setdefault(str(found["loc"][0]), []).append(text)
    return texts
