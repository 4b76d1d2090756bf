"""R23: no input gives a 5xx; what is wrong is a 400 that names the field, and nothing is stored."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from auth_service.storage.models import UserRow, db
from tests.auth_service.world import PASSWORD, Person

GOOD = {"email": "ann@example.org", "password": PASSWORD}
NOT_AN_EMAIL = "Enter a valid email address."


def stored(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(UserRow)) or 0


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("email", "nope", NOT_AN_EMAIL),
        ("email", "a@b", NOT_AN_EMAIL),
        ("email", "a b@c.co", NOT_AN_EMAIL),
        ("email", "a@b.co\u0007", NOT_AN_EMAIL),
        ("email", "\u202ea@b.co", NOT_AN_EMAIL),
        ("email", "a@b.co\nBcc: x@y.co", NOT_AN_EMAIL),
        ("email", "\ufdfa" * 60 + "@b.co", NOT_AN_EMAIL),
        ("email", True, NOT_AN_EMAIL),
        ("email", [1], NOT_AN_EMAIL),
        ("email", 1e400, None),
        ("email", "a" * 250 + "@b.co", "Ensure this field has no more than 254 characters."),
        ("email", "a\0@b.co", "Null characters are not allowed."),
        ("email", "a\ud800@b.co", "Lone surrogates are not allowed."),
        ("password", "x" * 10_240, "Ensure this field has no more than 256 characters."),
        ("password", "Tr0ub4dor\0&3x", "Null characters are not allowed."),
        ("password", "Tr0ub4dor\udfff&3x", "Lone surrogates are not allowed."),
        ("password", {"a": 1}, "Not a valid string."),
        ("password", False, "Not a valid string."),
        ("password", "   ", "This field may not be blank."),
        ("first_name", "x" * 151, "Ensure this field has no more than 150 characters."),
        ("first_name", None, "This field may not be null."),
        ("last_name", "a\0b", "Null characters are not allowed."),
        ("last_name", [["deep"]], "Not a valid string."),
    ],
)
def test_a_bad_field_is_named(app: Flask, field: str, value: object, complaint: str | None) -> None:
    answer = app.test_client().post("/auth/users/", json=GOOD | {field: value})
    assert answer.status_code == 400
    assert answer.json
    if complaint is not None:
        assert answer.json == {field: [complaint]}
    assert stored(app) == 0


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"email": NaN}',
        b'{"email": "a@b.co", "email": "c@d.co"}',
        b'{"email": ' + b"[" * 200 + b"]" * 200 + b"}",
        b"[" * 50_000,
        b"null",
        b"7",
        b'"text"',
        b"[]",
        b'{"email": ' + b"9" * 5000 + b"}",
    ],
)
@pytest.mark.parametrize("path", ["/auth/users/", "/auth/jwt/create/", "/auth/jwt/refresh/", "/auth/jwt/verify/"])
def test_a_malformed_body_is_a_400(app: Flask, path: str, body: bytes) -> None:
    answer = app.test_client().post(path, data=body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.is_json
    assert stored(app) == 0


def test_what_a_body_of_another_shape_is_told(client: FlaskClient) -> None:
    def said(body: bytes) -> object:
        return client.post("/auth/users/", data=body, content_type="application/json").json

    assert said(b"null") == {"non_field_errors": ["No data provided"]}
    assert said(b"7") == {"non_field_errors": ["Invalid data. Expected a dictionary, but got int."]}
    assert said(b'{"a":1,"a":2}') == {"a": ["This key appears twice."]}


@pytest.mark.parametrize(
    ("body", "field"), [(b"email=%ff%fe@b.co&password=x", "email"), (b"email=\xff@b.co&password=x", "email")]
)
def test_a_form_that_is_no_utf8_names_its_field(client: FlaskClient, body: bytes, field: str) -> None:
    answer = client.post("/auth/users/", data=body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 400
    assert answer.json
    assert answer.json[field] == ["This field is not valid UTF-8."]


def test_a_form_with_nul_names_its_field(client: FlaskClient) -> None:
    answer = client.post("/auth/users/", data={"email": "a\0@b.co", "password": PASSWORD})
    assert answer.json == {"email": ["Null characters are not allowed."]}


def test_forms_of_both_kinds_are_read(client: FlaskClient) -> None:
    multipart = client.post("/auth/users/", data=GOOD, content_type="multipart/form-data")
    assert multipart.status_code == 201
    assert client.post("/auth/jwt/create/", data=GOOD).status_code == 200


NUL, NO_STRING = "Null characters are not allowed.", "Not a valid string."


def multipart(*parts: tuple[str, bytes]) -> bytes:
    """A body with the boundary x; the first of each pair stands behind `form-data`."""
    written = [b"--x\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (h.encode(), b) for h, b in parts]
    return b"".join(written) + b"--x--\r\n"


EMAIL, SECRET = ('name="email"', b"a@b.co"), ('name="password"', PASSWORD.encode())
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
NOT_UTF8, TWICE = ["This field is not valid UTF-8."], ["This key appears twice."]
SURROGATES = ["Lone surrogates are not allowed."]


@pytest.mark.parametrize(
    ("content_type", "body", "complaints"),
    [
        (MULTIPART, multipart(EMAIL, ('name="password"', b"Tr0ub4dor\xff3x")), {"password": NOT_UTF8}),
        (MULTIPART, multipart(('name="email"', b"\xe9@b.co"), SECRET), {"email": NOT_UTF8}),
        (MULTIPART, multipart(EMAIL, ('name="password"', b"Tr0ub\x004dor")), {"password": [NUL]}),
        (MULTIPART, multipart(EMAIL, EMAIL, SECRET), {"email": TWICE}),
        (MULTIPART, multipart(EMAIL, SECRET, SECRET), {"password": TWICE}),
        (MULTIPART, multipart(EMAIL, ('name="password"; filename="p"', b"Tr0ub4dor&3x")), {"password": [NO_STRING]}),
        (MULTIPART, multipart(EMAIL, SECRET, ('name="password"; filename="p"', b"x")), {"password": TWICE}),
        (FORM, b"email=a@b.co&password=Tr0ub4dor%ff3x", {"password": NOT_UTF8}),
        (FORM, b"email=a@b.co&password=x1&password=x2", {"password": TWICE}),
        (FORM, b"email=a@b.co&email=a@b.co&password=Tr0ub4dor3x", {"email": TWICE}),
        (FORM, b"email=a@b.co&pass%77ord=x1&password=x2", {"password": TWICE}),
        ("application/json", b'{"email":"a@b.co","password":"x","password":"x"}', {"password": TWICE}),
        ("application/json", b'{"email":"a@b.co","password":"\\ud800aaaaaaaaa"}', {"password": SURROGATES}),
    ],
)
@pytest.mark.parametrize("path", ["/auth/users/", "/auth/jwt/create/"])
def test_what_could_be_read_in_two_ways_names_its_field(
    client: FlaskClient, path: str, content_type: str, body: bytes, complaints: dict[str, list[str]]
) -> None:
    """Of two values neither counts, and what is no text is never replaced by something that is."""
    answer = client.post(path, data=body, content_type=content_type)
    assert (answer.status_code, answer.json) == (400, complaints)


@pytest.mark.parametrize("parts", [1, 2])
def test_a_part_without_a_name_is_refused(client: FlaskClient, parts: int) -> None:
    """RFC 7578 4.2: every part has one."""
    nameless = b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n" * parts
    answer = client.post("/auth/users/", data=nameless + multipart(EMAIL, SECRET), content_type=MULTIPART)
    assert (answer.status_code, answer.json) == (400, {"detail": "Multipart form parse error"})


def test_two_passwords_that_differ_in_bytes_that_are_no_utf8_are_not_one(client: FlaskClient) -> None:
    def send(path: str, secret: bytes) -> int:
        body = multipart(EMAIL, ('name="password"', secret))
        return client.post(path, data=body, content_type=MULTIPART).status_code

    assert send("/auth/users/", b"Tr0ub4dor\xff3x") == 400
    assert send("/auth/users/", "Tr0ub4dör\ufffd3x".encode()) == 201
    assert send("/auth/jwt/create/", "Tr0ub4dör\ufffd3x".encode()) == 200
    assert send("/auth/jwt/create/", "Tr0ub4dör".encode() + b"\xff3x") == 400


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "multipart/mixed; boundary=x", ""])
def test_any_other_media_type_is_a_415(client: FlaskClient, content_type: str) -> None:
    answer = client.post("/auth/jwt/create/", data=b"email=a@b.co", headers={"Content-Type": content_type})
    assert answer.status_code == 415


def test_a_form_of_a_thousand_fields_is_a_400(client: FlaskClient) -> None:
    body = "&".join(f"f{number}=1" for number in range(1000))
    answer = client.post("/auth/users/", data=body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 400


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x", "text/plain"])
def test_a_body_that_is_too_large_is_refused(client: FlaskClient, content_type: str) -> None:
    answer = client.post("/auth/users/", data=b"x" * 100_000, content_type=content_type)
    assert answer.status_code == 413
    assert answer.json == {"detail": "Request Entity Too Large"}


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=x"])
def test_a_broken_multipart_body_is_no_failure_of_ours(client: FlaskClient, content_type: str) -> None:
    answer = client.post("/auth/users/", data=b"--x\r\nnonsense", content_type=content_type)
    assert answer.status_code == 400


def test_a_long_login_is_refused_before_it_is_hashed(ann: Person) -> None:
    """R38."""
    ann.password = "x" * 10_240
    answer = ann.log_in()
    assert answer.json == {"password": ["Ensure this field has no more than 256 characters."]}


@pytest.mark.parametrize("token", [5, 1.5, "junk", "x" * 60_000, "a.b.c", "é"])
@pytest.mark.parametrize(("path", "field"), [("refresh", "refresh"), ("verify", "token"), ("blacklist", "refresh")])
def test_any_text_as_a_token_is_a_401(client: FlaskClient, token: object, path: str, field: str) -> None:
    answer = client.post(f"/auth/jwt/{path}/", json={field: token})
    assert (answer.status_code, answer.json) == (401, {"detail": "Token is invalid", "code": "token_not_valid"})


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["/auth/users/", "/auth/jwt/create/", "/auth/jwt/refresh/", "/auth/jwt/blacklist"]),
    members=st.dictionaries(
        st.sampled_from(["email", "password", "refresh", "first_name", "last_name"]) | st.text(), JSON_VALUES
    ),
)
def test_no_json_object_makes_the_service_fail(client: FlaskClient, path: str, members: dict[str, object]) -> None:
    answer = client.post(path, json=members)
    assert 400 <= answer.status_code < 500
    assert answer.is_json


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=200),
    content_type=st.sampled_from(
        ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", ""]
    ),
)
def test_no_bytes_make_the_service_fail(client: FlaskClient, body: bytes, content_type: str) -> None:
    answer = client.post("/auth/users/", data=body, content_type=content_type)
    assert 400 <= answer.status_code < 500
