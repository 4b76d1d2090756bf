"""Bad input: 400 that names what is wrong, nothing stored, never a 5xx."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.resource_service.callers import Caller

REQUIRED = "This field is required."
NOT_NULL = "This field may not be null."
NOT_BLANK = "This field may not be blank."
NO_STRING = "Not a valid string."
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
        ('{"title": 1}', {"title": NO_STRING}),
        ('{"title": true}', {"title": NO_STRING}),
        ('{"title": 1e999}', {"title": "This number is too large."}),
        ('{"title": ["x"]}', {"title": NO_STRING}),
        ('{"title": {"x": "y"}}', {"title": NO_STRING}),
        ('{"title": "x", "body": null}', {"body": NOT_NULL}),
        ('{"title": "x", "body": 1.5}', {"body": NO_STRING}),
        ('{"body": []}', {"title": REQUIRED, "body": NO_STRING}),
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
def test_a_field_at_fault_is_named_with_its_reason(ada: Caller, body: str, errors: dict[str, str]) -> None:
    answer = ada.send(body.encode())
    problem = answer.get_json()
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
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
def test_a_body_that_is_no_json_object_is_refused(ada: Caller, body: bytes) -> None:
    note = ada.write("stays")
    for answer in (ada.send(body), ada.send(body, "PATCH", f"/api/notes/{note['id']}/")):
        assert (answer.status_code, answer.get_json()["code"]) == (400, "bad_body")
    assert ada.titles() == ["stays"]


@pytest.mark.parametrize("body", [{"title": None}, {"title": ""}, {"body": 1}, {"title": "x" * 201, "body": "new"}])
def test_a_change_with_a_field_at_fault_changes_nothing(ada: Caller, body: dict[str, object]) -> None:
    note = ada.write("Bread", body="flour")
    answer = ada.patch(note["id"], **body)
    assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid_fields")
    assert ada.get(f"/api/notes/{note['id']}/").get_json() == note


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "", "json"])
def test_another_media_type_is_refused(ada: Caller, media_type: str) -> None:
    answer = ada.call("POST", "/api/notes/", data=b'{"title": "x"}', content_type=media_type)
    assert (answer.status_code, answer.get_json()["code"]) == (415, "unsupported_media_type")
    assert ada.titles() == []


def test_a_body_over_a_megabyte_is_refused_by_its_size(ada: Caller) -> None:
    answer = ada.send(json.dumps({"title": "x", "unknown": "y" * 2**20}).encode())
    assert (answer.status_code, answer.get_json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=", "page"),
        ("page=1.5", "page"),
        ("page=x", "page"),
        ("page=%EF%BC%91", "page"),
        ("page=1000001", "page"),
        ("page=" + "9" * 4000, "page"),
        ("page=1&page=2", "page"),
        ("page_size=0", "page_size"),
        ("page_size=101", "page_size"),
        ("page_size=+5", "page_size"),
        ("q=" + "x" * 201, "q"),
        ("q=%00", "q"),
        ("q=%FF", "q"),
        ("q=%ED%A0%80", "q"),
        ("q=a&q=b", "q"),
        ("owner=" + "x" * 256, "owner"),
        ("owner=a%00", "owner"),
        ("owner=%C3", "owner"),
    ],
)
@pytest.mark.parametrize("path", ["/api/notes/", "/api/notes/export"])
def test_a_query_parameter_at_fault_is_named(staff: Caller, path: str, query: str, name: str) -> None:
    answer = staff.get(f"{path}?{query}")
    assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid_fields")
    assert list(answer.get_json()["errors"]) == [name]


def test_all_parameters_at_fault_are_named_at_once_and_unknown_ones_ignored(ada: Caller) -> None:
    answer = ada.get("/api/notes/?page=x&page_size=y&utm_source=%FF")
    assert set(answer.get_json()["errors"]) == {"page", "page_size"}
    assert ada.get("/api/notes/?utm_source=%FF&utm_source=x").status_code == 200


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
def test_no_body_gets_a_5xx_and_what_is_refused_is_not_stored(ada: Caller, body: bytes) -> None:
    """R23."""
    before = ada.get("/api/notes/?page_size=1").get_json()["count"]
    answer = ada.send(body)
    stored = ada.get("/api/notes/?page_size=1").get_json()["count"] - before
    assert (answer.status_code, stored) in ((201, 1), (400, 0))


@_fuzz
@given(query=st.text(st.sampled_from("pageqownr_siz=&%0123456789abcdefF+;*\\'\"<>é"), max_size=80))
def test_no_query_gets_a_5xx(staff: Caller, query: str) -> None:
    """R23."""
    for path in ("/api/notes/", "/api/notes/export"):
        assert staff.get(f"{path}?{query}").status_code in (200, 400)
