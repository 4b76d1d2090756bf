"""Invalid bodies, queries and ids: every endpoint responds with 400, 404, 413 or 415, and stores nothing.

A 400 for a wrong value names the field.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import requests

from tests.system.support.running_stack import PASSWORD, Account, RunningStack, Tokens

JSON_BODY = {"Content-Type": "application/json"}
WRITTEN_BY_A_JOB = frozenset({"signing_keys"})
"""Tables that the auth service also writes while nobody sends a request."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A user with an access token, and the path of a note of this user."""

    stack: RunningStack
    account: Account
    access: str
    note: str

    def send(self, endpoint: "Endpoint", body: bytes | str) -> requests.Response:
        """Send the body unchanged."""
        path = endpoint.path.format(id=self.account.id, note=self.note)
        access = self.access if endpoint.needs_login else ""
        raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
        return self.stack.send(endpoint.method, path, access, data=raw, headers=JSON_BODY)

    def stored_rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Return every row of both databases that a request stored, by table."""
        return {
            f"{name} {table}": rows for name in ("auth.db", "notes.db") for table, rows in _tables(self.stack, name)
        }


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint that accepts a JSON object. `field` is one of its text fields, `limit` the field's maximum length.

    `other_fields` are required as well; a `limit` of 0 means that the field has no maximum to test.
    """

    method: str
    path: str
    field: str
    needs_login: bool = True
    limit: int = 0
    other_fields: Mapping[str, str] | None = None

    def body(self, value: str) -> str:
        """Return a body whose field has this value, which is JSON text."""
        members = [f'"{self.field}": {value}', *(f'"{k}": "{v}"' for k, v in (self.other_fields or {}).items())]
        return f"{{{', '.join(members)}}}"


ENDPOINTS = (
    Endpoint("POST", "/auth/users/", "email", False, 254, {"password": PASSWORD}),
    Endpoint("POST", "/auth/users/", "first_name", False, 150, {"email": "bad@example.com", "password": PASSWORD}),
    Endpoint("POST", "/auth/users/", "password", False, 256, {"email": "bad@example.com"}),
    Endpoint("PUT", "/auth/users/me/", "first_name", limit=150),
    Endpoint("PATCH", "/auth/users/me/", "last_name", limit=150),
    Endpoint("PUT", "/auth/users/{id}/", "first_name", limit=150),
    Endpoint("PATCH", "/auth/users/{id}/", "last_name", limit=150),
    Endpoint("POST", "/auth/jwt/create/", "email", False, other_fields={"password": PASSWORD}),
    Endpoint("POST", "/auth/jwt/refresh/", "refresh", False),
    Endpoint("POST", "/auth/jwt/verify/", "token", False),
    Endpoint("POST", "/auth/jwt/blacklist/", "refresh", False),
    Endpoint("POST", "/api/notes/", "title", limit=200),
    Endpoint("POST", "/api/notes/", "body", limit=10_000, other_fields={"title": "t"}),
    Endpoint("PATCH", "{note}", "title", limit=200),
    Endpoint("PATCH", "{note}", "body", limit=10_000),
)

NO_JSON_OBJECTS: Mapping[str, bytes] = {
    "not JSON": b"{nonsense",
    "cut short": b'{"email": "a',
    "two values": b"{} {}",
    "bad UTF-8": b'{"email": "\xff\xfe"}',
    "a raw line break in a string": b'{"email": "a\nb"}',
    "NaN": b'{"email": NaN}',
    "Infinity": b'{"email": -Infinity}',
    "200 levels deep": b'{"email": ' + b"[" * 200 + b"]" * 200 + b"}",
    "50,000 levels deep": b"[" * 50_000,
    "a list": b"[]",
    "a string": b'"nonsense"',
    "a number": b"1",
    "null": b"null",
    "a number of 5,000 digits": b"1" * 5_000,
}

WRONG_VALUES: Mapping[str, str] = {
    "a list": "[]",
    "an object": '{"a": 1}',
    "null": "null",
    "NUL": r'"a\u0000b"',
    "a lone surrogate": r'"a\ud800b"',
    "a raw lone surrogate": '"a\ud800b"',
    "200 levels deep": "[" * 200 + "]" * 200,
}


@pytest.fixture(scope="module")
def caller(stack: RunningStack) -> Caller:
    """A user for all tests of this module, which change nothing."""
    account = stack.register()
    tokens: Tokens = stack.login(account)
    return Caller(stack, account, tokens.access, stack.add_note(tokens.access, "Mine"))


@pytest.fixture(autouse=True)
def _nothing_is_stored(caller: Caller) -> object:
    before = caller.stored_rows()
    yield
    assert caller.stored_rows() == before


def _tables(stack: RunningStack, name: str) -> list[tuple[str, list[tuple[object, ...]]]]:
    with sqlite3.connect(f"file:{stack.data_dir / name}?mode=ro", uri=True) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        tables = [
            (table, connection.execute(f'SELECT * FROM "{table}"').fetchall())
            for (table,) in names
            if table not in WRITTEN_BY_A_JOB
        ]
    connection.close()
    return tables


def endpoint_name(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path} {endpoint.field}"


every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=endpoint_name)


def names_the_field(response: requests.Response, field: str) -> bool:
    """Return whether the response names the field: as a member (auth service), or in `errors` (problem details)."""
    document = response.json()
    return field in document or field in document.get("errors", {})


@every_endpoint
@pytest.mark.parametrize("name", NO_JSON_OBJECTS)
def test_a_body_that_is_not_a_json_object_gets_400(caller: Caller, endpoint: Endpoint, name: str) -> None:
    response = caller.send(endpoint, NO_JSON_OBJECTS[name].replace(b'"email"', f'"{endpoint.field}"'.encode()))
    assert response.status_code == 400, response.text
    assert json.loads(response.text)


@every_endpoint
@pytest.mark.parametrize("name", WRONG_VALUES)
def test_a_field_with_a_wrong_value_gets_400_and_is_named(caller: Caller, endpoint: Endpoint, name: str) -> None:
    """A raw lone surrogate is invalid UTF-8: the body is refused before its fields are read."""
    response = caller.send(endpoint, endpoint.body(WRONG_VALUES[name]))
    assert response.status_code == 400, response.text
    assert name.startswith("a raw") or names_the_field(response, endpoint.field), response.text


@every_endpoint
def test_a_duplicate_field_gets_400(caller: Caller, endpoint: Endpoint) -> None:
    """Two parsers would read different values."""
    second_value = endpoint.body('"b"').removeprefix("{")
    response = caller.send(endpoint, f'{{"{endpoint.field}": "a", {second_value}')
    assert response.status_code == 400, response.text


@pytest.mark.parametrize("endpoint", [e for e in ENDPOINTS if e.limit], ids=endpoint_name)
@pytest.mark.parametrize("factor", [1, 50])
def test_a_field_that_is_too_long_gets_400_and_is_named(caller: Caller, endpoint: Endpoint, factor: int) -> None:
    """One or two characters over the limit, or over 50 times the limit."""
    tail = "@example.com" if endpoint.field == "email" else ""
    value = "Zq" * (endpoint.limit * factor // 2 + 1) + tail
    response = caller.send(endpoint, endpoint.body(json.dumps(value)))
    assert response.status_code == 400, response.text
    assert names_the_field(response, endpoint.field), response.text


@pytest.mark.parametrize(
    "endpoint",
    [e for e in ENDPOINTS if e.method == "POST" and e.field not in ("first_name", "body")],  # these two are optional
    ids=endpoint_name,
)
def test_a_missing_field_gets_400_and_is_named(caller: Caller, endpoint: Endpoint) -> None:
    response = caller.send(endpoint, "{}")
    assert response.status_code == 400, response.text
    assert names_the_field(response, endpoint.field), response.text


@every_endpoint
def test_another_media_type_gets_415(caller: Caller, endpoint: Endpoint) -> None:
    path = endpoint.path.format(id=caller.account.id, note=caller.note)
    headers = {"Content-Type": "text/plain"}
    response = caller.stack.send(endpoint.method, path, caller.access, data=b"a=b", headers=headers)
    assert response.status_code == 415, response.text


@every_endpoint
def test_a_body_over_the_limit_gets_413(caller: Caller, endpoint: Endpoint) -> None:
    """The body is not read to its end: the gateway may close while the client is still sending."""
    try:
        response = caller.send(endpoint, endpoint.body(json.dumps("x" * (2 * 2**20))))
    except requests.ConnectionError:
        return
    assert response.status_code == 413, response.text


@pytest.mark.parametrize(
    "query", ["page=0", "page=x", "page=1&page=2", "page_size=-1", "q=%00", "q=%ff", "page=9" * 99]
)
def test_an_invalid_query_gets_400(caller: Caller, query: str) -> None:
    response = caller.stack.send("GET", f"/api/notes/?{query}", caller.access)
    assert response.status_code == 400, response.text


@pytest.mark.parametrize("id_", ["1", "x", "%00", "..", "00000000-0000-0000-0000-000000000000", "x" * 3000])
@pytest.mark.parametrize("path", ["/api/notes/{}/", "/auth/users/{}/"])
def test_an_invalid_id_gets_400_or_404(caller: Caller, path: str, id_: str) -> None:
    url = requests.Request("GET", caller.stack.url + path).prepare()
    url.url = caller.stack.url + path.format(id_)  # unchanged: requests would resolve the dots
    url.headers["Authorization"] = f"Bearer {caller.access}"
    assert caller.stack.http.send(url, timeout=30).status_code in (400, 404)
