"""No request body causes a 5xx. An invalid field is answered 400 with its name, and nothing is stored."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nacl.pwhash import argon2id
from sqlalchemy import func, select

from auth_service.storage.models import UserRow, db
from tests.auth_service.world import PASSWORD, Person

VALID = {"email": "ann@example.org", "password": PASSWORD}
NOT_AN_EMAIL = "Enter a valid email address."


def count_users(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(UserRow)) or 0


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("email", "nope", NOT_AN_EMAIL),
        ("email", "a@b", NOT_AN_EMAIL),
        ("email", "a b@c.co", NOT_AN_EMAIL),
        ("email", "a@b.co\u0007", NOT_AN_EMAIL),
        ("email", "\u202ea@b.co", NOT_AN_EMAIL),
        ("email", "a@b.co\nBcc: x@y.co", NOT_AN_EMAIL),
        ("email", "\ufdfa" * 60 + "@b.co", NOT_AN_EMAIL),  # NFKC makes 18 characters of each
        ("email", True, NOT_AN_EMAIL),
        ("email", [1], NOT_AN_EMAIL),
        ("email", 1e400, None),  # JSON has no infinity: the error is not that of the field
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
def test_an_invalid_field_is_answered_with_its_name_and_text(
    app: Flask, field: str, value: object, text: str | None
) -> None:
    response = app.test_client().post("/auth/users/", json=VALID | {field: value})
    assert response.status_code == 400
    assert response.json
    if text is not None:
        assert response.json == {field: [text]}
    assert count_users(app) == 0


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
def test_a_malformed_body_is_answered_400(app: Flask, path: str, body: bytes) -> None:
    response = app.test_client().post(path, data=body, content_type="application/json")
    assert response.status_code == 400
    assert response.is_json
    assert count_users(app) == 0


def test_a_json_value_that_is_not_an_object_is_refused_with_its_type(client: FlaskClient) -> None:
    def response_to(body: bytes) -> object:
        return client.post("/auth/users/", data=body, content_type="application/json").json

    assert response_to(b"null") == {"non_field_errors": ["No data provided"]}
    assert response_to(b"7") == {"non_field_errors": ["Invalid data. Expected a dictionary, but got int."]}
    assert response_to(b'{"a":1,"a":2}') == {"a": ["This key appears twice."]}


@pytest.mark.parametrize(
    ("body", "field"), [(b"email=%ff%fe@b.co&password=x", "email"), (b"email=\xff@b.co&password=x", "email")]
)
def test_an_invalid_utf8_value_in_a_form_is_refused_with_its_field(
    client: FlaskClient, body: bytes, field: str
) -> None:
    response = client.post("/auth/users/", data=body, content_type="application/x-www-form-urlencoded")
    assert response.status_code == 400
    assert response.json
    assert response.json[field] == ["This field is not valid UTF-8."]


def test_a_null_character_in_a_form_is_refused_with_its_field(client: FlaskClient) -> None:
    response = client.post("/auth/users/", data={"email": "a\0@b.co", "password": PASSWORD})
    assert response.json == {"email": ["Null characters are not allowed."]}


def test_both_form_media_types_are_accepted(client: FlaskClient) -> None:
    multipart = client.post("/auth/users/", data=VALID, content_type="multipart/form-data")
    assert multipart.status_code == 201
    assert client.post("/auth/jwt/create/", data=VALID).status_code == 200


NUL, NO_STRING = "Null characters are not allowed.", "Not a valid string."


def multipart(*parts: tuple[str, bytes]) -> bytes:
    """Return a multipart body. The first of each pair has the parameters after `form-data`."""
    form = b"--x\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n"
    written = [form % (parameters.encode(), value) for parameters, value in parts]
    return b"".join(written) + b"--x--\r\n"


EMAIL, SECRET = ('name="email"', b"a@b.co"), ('name="password"', PASSWORD.encode())
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
NOT_UTF8, TWICE = ["This field is not valid UTF-8."], ["This key appears twice."]
SURROGATES = ["Lone surrogates are not allowed."]


@pytest.mark.parametrize(
    ("content_type", "body", "texts"),
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
        (FORM, b"email=a@b.co&pass%77ord=x1&password=x2", {"password": TWICE}),  # %77 is w
        ("application/json", b'{"email":"a@b.co","password":"x","password":"x"}', {"password": TWICE}),
        ("application/json", b'{"email":"a@b.co","password":"\\ud800aaaaaaaaa"}', {"password": SURROGATES}),
    ],
)
@pytest.mark.parametrize("path", ["/auth/users/", "/auth/jwt/create/"])
def test_an_ambiguous_value_is_refused_with_its_field(
    client: FlaskClient, path: str, content_type: str, body: bytes, texts: dict[str, list[str]]
) -> None:
    """If a field has two values, neither is used. Invalid bytes are never replaced."""
    response = client.post(path, data=body, content_type=content_type)
    assert (response.status_code, response.json) == (400, texts)


@pytest.mark.parametrize("parts", [1, 2])
def test_a_part_without_a_name_is_refused(client: FlaskClient, parts: int) -> None:
    """RFC 7578 4.2."""
    nameless = b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n" * parts
    response = client.post("/auth/users/", data=nameless + multipart(EMAIL, SECRET), content_type=MULTIPART)
    assert (response.status_code, response.json) == (400, {"detail": "Multipart form parse error"})


def test_invalid_bytes_do_not_make_two_passwords_equal(client: FlaskClient) -> None:
    def send(path: str, secret: bytes) -> int:
        body = multipart(EMAIL, ('name="password"', secret))
        return client.post(path, data=body, content_type=MULTIPART).status_code

    assert send("/auth/users/", b"Tr0ub4dor\xff3x") == 400
    assert send("/auth/users/", "Tr0ub4dör\ufffd3x".encode()) == 201
    assert send("/auth/jwt/create/", "Tr0ub4dör\ufffd3x".encode()) == 200
    assert send("/auth/jwt/create/", "Tr0ub4dör".encode() + b"\xff3x") == 400


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "multipart/mixed; boundary=x", ""])
def test_another_media_type_is_answered_415(client: FlaskClient, content_type: str) -> None:
    response = client.post("/auth/jwt/create/", data=b"email=a@b.co", headers={"Content-Type": content_type})
    assert response.status_code == 415


def test_a_form_with_a_thousand_fields_is_answered_400(client: FlaskClient) -> None:
    body = "&".join(f"f{number}=1" for number in range(1000))
    response = client.post("/auth/users/", data=body, content_type="application/x-www-form-urlencoded")
    assert response.status_code == 400


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x", "text/plain"])
def test_a_body_over_the_limit_is_answered_413(client: FlaskClient, content_type: str) -> None:
    response = client.post("/auth/users/", data=b"x" * 100_000, content_type=content_type)
    assert response.status_code == 413
    assert response.json == {"detail": "Request Entity Too Large"}


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=x"])
def test_a_broken_multipart_body_is_answered_400(client: FlaskClient, content_type: str) -> None:
    response = client.post("/auth/users/", data=b"--x\r\nnonsense", content_type=content_type)
    assert response.status_code == 400


def test_a_password_over_the_limit_is_refused_before_it_is_hashed(
    ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[bytes] = []
    monkeypatch.setattr(argon2id, "verify", lambda _, password: hashed.append(password))
    ann.password = "x" * 10_240
    response = ann.log_in()
    assert hashed == []
    assert response.json == {"password": ["Ensure this field has no more than 256 characters."]}


@pytest.mark.parametrize("token", [5, 1.5, "junk", "x" * 60_000, "a.b.c", "é"])
@pytest.mark.parametrize(("path", "field"), [("refresh", "refresh"), ("verify", "token"), ("blacklist", "refresh")])
def test_a_value_that_is_not_a_token_is_answered_401(
    client: FlaskClient, token: object, path: str, field: str
) -> None:
    response = client.post(f"/auth/jwt/{path}/", json={field: token})
    assert (response.status_code, response.json) == (401, {"detail": "Token is invalid", "code": "token_not_valid"})


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
def test_no_json_object_causes_a_5xx(client: FlaskClient, path: str, members: dict[str, object]) -> None:
    response = client.post(path, json=members)
    assert 400 <= response.status_code < 500
    assert response.is_json


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=200),
    content_type=st.sampled_from(
        ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", ""]
    ),
)
def test_no_bytes_cause_a_5xx(client: FlaskClient, body: bytes, content_type: str) -> None:
    response = client.post("/auth/users/", data=body, content_type=content_type)
    assert 400 <= response.status_code < 500
