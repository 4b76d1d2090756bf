"""Error responses of the API: the texts for invalid fields, and 503 while the database is not available."""

from collections.abc import Mapping

import structlog
from flask import Flask, Response
from pydantic import ValidationError
from pydantic_core import PydanticCustomError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chassis.problem_details import problem_response
from chassis.sql.engine import database_reason
from contract.problems import Refused

_log = structlog.get_logger("store")

FIELD_TEXTS: Mapping[str, str] = {
    # Error types of pydantic.
    "missing": "This field is required.",
    "string_type": "Not a valid string.",
    "string_too_short": "This field may not be blank.",  # every minimum length in this API is 1
    "string_too_long": "Ensure this field has no more than {max_length} characters.",
    "string_unicode": "Lone surrogates are not allowed.",
    # Error types of our own.
    "null": "This field may not be null.",
    "number": "Must be a number from 1 to {largest}.",
    "repeated": "Give this parameter once.",
    "not_utf8": "Not valid UTF-8.",
    "null_character": "Null characters are not allowed.",
}
"""The text for each error type that a model of this API can raise. A new constraint needs its type added here."""


def field_error(error_type: str, **context: int) -> PydanticCustomError:
    """Return the error that a validator raises for `error_type`, a key of FIELD_TEXTS.

    `context` has the values of the placeholders in its text.
    """
    return PydanticCustomError(error_type, FIELD_TEXTS[error_type], context)


def invalid_fields(errors: Mapping[str, str]) -> Refused:
    """Return the 400 that names each invalid field with its text, in `errors` and as one sentence in `detail`."""
    detail = "; ".join(f"{name}: {text}" for name, text in errors.items())
    return Refused("invalid_fields", detail, extra={"errors": {name: [text] for name, text in errors.items()}})


def invalid_model(error: ValidationError) -> Refused:
    """Return the 400 for an input that its pydantic model rejects."""
    return invalid_fields(
        {
            str(found["loc"][0]): FIELD_TEXTS[found["type"]].format_map(found.get("ctx", {}))
            for found in error.errors(include_url=False, include_input=False)
        }
    )


def install_error_handlers(app: Flask) -> None:
    """Answer 503 while the database is not available. chassis.problem_details answers all other exceptions."""
    for exception in (OperationalError, InterfaceError, PoolTimeout):
        app.register_error_handler(exception, _store_unavailable)


def _store_unavailable(exception: Exception) -> Response:
    _log.error("store_unavailable", error=database_reason(exception))
    return problem_response(Refused("store_unavailable", retry_after=5))
