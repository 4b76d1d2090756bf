"""Request and response models have texts for all errors and a JSON Schema, and show no secrets."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from auth_service.api import models
from auth_service.api.models.base import ListResponse, RequestBody, ResponseBody
from auth_service.api.models.field_errors import TEXTS, field_errors
from auth_service.api.models.sessions import SessionResponse
from auth_service.api.models.tokens import LogInRequest, TokenPairResponse
from auth_service.api.models.users import RegisterRequest, RenameRequest

for module in pkgutil.walk_packages(models.__path__, f"{models.__name__}."):
    importlib.import_module(module.name)


def subclasses(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in base.__subclasses__():
        if "[" not in model.__name__:  # a generic class with its parameter
            yield model
        yield from subclasses(model)


REQUESTS = [*subclasses(RequestBody)]
RESPONSES = [*subclasses(ResponseBody), *subclasses(ListResponse)]


def errors_of(model: type[BaseModel], members: dict[str, Any]) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as error:
        model.model_validate(members)
    return field_errors(error.value)


TEXT = st.text(st.characters(codec=None))
VALUES: st.SearchStrategy[object] = st.none() | st.booleans() | st.integers() | TEXT | st.just([]) | st.just({})


@given(model=st.sampled_from(REQUESTS), data=st.data())
def test_every_validation_error_has_a_text(model: type[BaseModel], data: st.DataObject) -> None:
    members = data.draw(st.dictionaries(st.sampled_from([*model.model_fields, "unknown"]), VALUES))
    try:
        model.model_validate(members)
    except ValidationError as error:
        field_errors(error)  # raises KeyError for an error type without text


@pytest.mark.parametrize(
    ("value", "error_type"),
    [
        (None, "null"),
        (True, "string_type"),
        ("", "string_too_short"),
        ("\x1c \x85", "string_too_short"),  # characters that str.strip removes
        ("a\ud800", "string_unicode"),
        ("a\0", "null_character"),
    ],
)
def test_an_invalid_string_is_rejected_with_the_text_of_its_error_type(value: object, error_type: str) -> None:
    assert errors_of(LogInRequest, {"email": value, "password": "x"}) == {"email": [TEXTS[error_type]]}


def test_the_errors_are_in_the_order_of_the_fields() -> None:
    valid_last_name = 1e9  # a number is read as text
    errors = errors_of(RegisterRequest, {"last_name": valid_last_name, "first_name": None, "email": "no address"})
    assert list(errors) == ["email", "password", "first_name"]


def test_numbers_are_read_as_their_digits_and_strings_are_trimmed() -> None:
    body = LogInRequest.model_validate({"email": 12, "password": "\x1c pass word\u2003\n"})
    assert (body.email, body.password) == ("12", "pass word")


def test_a_rename_contains_only_the_names_that_were_sent() -> None:
    assert RenameRequest.model_validate({"last_name": "", "unknown": 1}).given_names() == {"last_name": ""}


def test_a_name_that_a_rename_may_omit_has_no_default_in_the_schema() -> None:
    assert "default" not in str(RenameRequest.model_json_schema()["properties"])


@pytest.mark.parametrize("model", [*REQUESTS, *RESPONSES], ids=lambda model: model.__name__)
def test_every_model_has_a_description_and_every_field_an_example_or_a_model(model: type[BaseModel]) -> None:
    schema = model.model_json_schema(mode="validation" if issubclass(model, RequestBody) else "serialization")
    assert schema["description"]
    for name, field in schema.get("properties", {}).items():
        described = [field, *field.get("anyOf", [])]
        has_example = any("examples" in part for part in described)
        assert has_example or "$ref" in str(field) or field["type"] in ("boolean", "array"), name


def test_a_timestamp_is_rfc_3339_in_json_and_in_its_schema() -> None:
    schema = SessionResponse.model_json_schema(mode="serialization")["properties"]["created_at"]
    assert (schema["type"], schema["format"]) == ("string", "date-time")
    session = SessionResponse(
        id="x", device="", address="", created_at=0.9996, last_used_at=1.5, expires_at=2**31, current=True
    )
    assert session.model_dump(include={"created_at", "expires_at"}) == {
        "created_at": "1970-01-01T00:00:00.999Z",
        "expires_at": "2038-01-19T03:14:08.000Z",
    }


def test_no_repr_and_no_error_shows_a_password_or_token() -> None:
    pair = TokenPairResponse(refresh="the-refresh-token", access="the-access-token")
    credentials = LogInRequest(email="ann@example.org", password="the-password")
    with pytest.raises(ValidationError) as error:
        LogInRequest.model_validate({"password": "the-password" * 100})
    shown = f"{pair!r} {credentials!r} {error.value!r}"
    assert not any(secret in shown for secret in ("the-refresh-token", "the-access-token", "the-password"))
