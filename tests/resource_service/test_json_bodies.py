"""An invalid JSON body is answered 400 with the invalid fields, and nothing is stored."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.resource_service.callers import Caller

REQUIRED = "This field is required."
NOT_NULL = "This field may not be null."
NOT_BLANK = "This field may not be blank."
NOT_A_STRING = "Not a valid string."
NO_NUL = "Null characters are not allowed."
NO_SURROGATES = "Lone surrogates are not allowed."


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ("{}", {"title": REQUIRED}),
        ('{"body": "x"}', {"title": REQUIRED}),
        ('{"title": null}', {"title": NOT_NULL}),
        ('{"title": ""}', {"title": NOT_BLANK}),
        ('{"title": " \\n\\t "}', {"title": NOT_BLANK}),
        ('{"title": 1}', {"title": NOT_A_STRING}),
        ('{"title": true}', {"title": NOT_A_STRING}),
        ('{"title": 1e999}', {"title": "This number is too large."}),
        ('{"title": ["x"]}', {"title": NOT_A_STRING}),
        ('{"title": {"x": "y"}}', {"title": NOT_A_STRING}),
        ('{"title": "x", "body": null}', {"body": NOT_NULL}),
        ('{"title": "x", "body": 1.5}', {"body": NOT_A_STRING}),
        ('{"body": []}', {"title": REQUIRED, "body": NOT_A_STRING}),
        (json.dumps({"title": "x" * 201}), {"title": "Ensure this field has no more than 200 characters."}),
        (
            json.dumps({"title": "x", "body": "y" * 10_001}),
            {"body": "Ensure this field has no more than 10000 characters."},
        ),
        ('{"title": "a\\u0000b"}', {"title": NO_NUL}),
        ('{"title": "x", "body": "\\u0000"}', {"body": NO_NUL}),
        ('{"title": "x", "unknown": "\\u0000"}', {"unknown": NO_NUL}),
        ('{"title": "\\ud800"}', {"title": NO_SURROGATES}),
        ('{"title": "x", "body": "\\udfff\\ud800"}', {"body": NO_SURROGATES}),
        ('{"title": "x", "title": "y"}', {"title": "This key appears twice."}),
        (f'{{"title": {"[" * 150}{"]" * 150}}}', {"title": "nested deeper than 100 levels"}),
    ],
)
def test_an_invalid_field_is_named_with_its_text(ada: Caller, body: str, errors: dict[str, str]) -> None:
    response = ada.send(body.encode())
    problem = response.get_json()
    assert (response.status_code, response.content_type) == (400, "application/problem+json")
    assert problem["code"] == "invalid_fields"
    assert problem["errors"] == {name: [reason] for name, reason in errors.items()}
    assert all(f"{name}: {reason}" in problem["detail"] for name, reason in errors.items())
    assert ada.titles() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"title": "x"',
        b'{"title": "x"} {}',
        b"{'title': 'x'}",
        b'{"title": NaN}',
        b'{"title": "x", "n": -Infinity}',
        b'{"title": "\xff"}',
        b'{"title": "\xed\xa0\x80"}',
        b'\xff\xfe{\x00"\x00',
        b'{"title": "a\x00b"}',
        b'{"title": "x", "n": ' + b"9" * 5000 + b"}",
        b'{"\\u0000": "x"}',
        b'{"\\ud800": "x"}',
        b"[" * 100_000,
        b'{"title":' * 20_000,
        b"[]",
        b'["title"]',
        b'"title"',
        b"null",
        b"1",
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(ada: Caller, body: bytes) -> None:
    note = ada.write("stays")
    for response in (ada.send(body), ada.send(body, "PATCH", f"/api/notes/{note['id']}/")):
        assert (response.status_code, response.get_json()["code"]) == (400, "bad_body")
    assert ada.titles() == ["stays"]


@pytest.mark.parametrize("body", [{"title": None}, {"title": ""}, {"body": 1}, {"title": "x" * 201, "body": "new"}])
def test_a_change_with_an_invalid_field_changes_nothing(ada: Caller, body: dict[str, object]) -> None:
    note = ada.write("Bread", body="flour")
    response = ada.patch(note["id"], **body)
    assert (response.status_code, response.get_json()["code"]) == (400, "invalid_fields")
    assert ada.get(f"/api/notes/{note['id']}/").get_json() == note


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "", "json"])
def test_another_media_type_is_answered_415(ada: Caller, media_type: str) -> None:
    response = ada.call("POST", "/api/notes/", data=b'{"title": "x"}', content_type=media_type)
    assert (response.status_code, response.get_json()["code"]) == (415, "unsupported_media_type")
    assert ada.titles() == []


def test_a_body_over_1_mib_is_answered_413(ada: Caller) -> None:
    response = ada.send(json.dumps({"title": "x", "unknown": "y" * 2**20}).encode())
    assert (response.status_code, response.get_json()["code"]) == (413, "body_too_large")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=300),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(st.characters(), max_size=20), inner, max_size=5)
    ),
    max_leaves=20,
)
_fields = st.dictionaries(st.sampled_from(["title", "body", "owner", "id", "\0", "x"]), _json, max_size=6)
_bodies = st.binary(max_size=200) | (_json | _fields).map(lambda value: json.dumps(value).encode())
_fuzz = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)


@_fuzz
@given(body=_bodies)
def test_no_body_causes_a_5xx_and_a_refused_one_is_not_stored(ada: Caller, body: bytes) -> None:
    before = ada.get("/api/notes/?page_size=1").get_json()["count"]
    response = ada.send(body)
    stored = ada.get("/api/notes/?page_size=1").get_json()["count"] - before
    assert (response.status_code, stored) in ((201, 1), (400, 0))
