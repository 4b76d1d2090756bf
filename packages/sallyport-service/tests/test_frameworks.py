"""Every framework accepts and refuses the same requests, with the same answers."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from applications import APPLICATIONS, UNSIGNED
from callers import Call

from sallyport_service.testing import IdentityMinter, random_secret

VECTORS = json.loads(Path(__file__).with_name("identity_assertions.json").read_text(encoding="utf-8"))
INVALID = {
    vector["name"]: vector["assertion"].encode().decode("latin-1")
    for vector in VECTORS["invalid"]
    # No server passes on control characters in a header value, or white space at its end.
    if vector["assertion"].isprintable() and vector["assertion"] == vector["assertion"].strip()
}
PROBLEMS = [name for name in APPLICATIONS if name != "rest_framework"]
"""Applications whose refusals are problem details. REST framework has a format of its own."""


@pytest.fixture(params=APPLICATIONS)
def call(request: pytest.FixtureRequest, configured: None, monkeypatch: pytest.MonkeyPatch) -> Call:
    made: Callable[[], Call] = APPLICATIONS[request.param]
    return made()


def test_a_valid_assertion_identifies_the_caller(call: Call, minter: IdentityMinter) -> None:
    answer = call("/who", [("X-Identity", minter.assertion("ann"))])
    assert (answer.status, answer.json) == (200, "ann")


def test_the_name_of_the_header_is_case_insensitive(call: Call, minter: IdentityMinter) -> None:
    assert call("/who", [("x-iDENTITY", minter.assertion("ann"))]).json == "ann"


def test_without_an_assertion_the_gateway_gets_the_reason(call: Call) -> None:
    answer = call("/who", [("X-User-Id", "ann"), ("Authorization", "Bearer x")])
    assert (answer.status, answer.headers["x-identity-refused"]) == (401, "No assertion")
    assert answer.headers["www-authenticate"] == 'Bearer realm="api"'


def test_recorded_invalid_assertions_are_refused(call: Call) -> None:
    for name, assertion in INVALID.items():
        answer = call("/who", [("X-Identity", assertion)])
        assert (answer.status, answer.headers["content-type"]) == (401, "application/problem+json"), name
        assert answer.headers["x-identity-refused"], name
        assert answer.json["code"] == "identity_invalid", name
        assert not assertion or assertion.encode() not in answer.body, name


@pytest.mark.parametrize("separator", [",", ", "])
def test_two_assertions_are_refused_even_if_both_are_valid(
    call: Call, minter: IdentityMinter, separator: str
) -> None:
    assertion = minter.assertion()
    repeated = call("/who", [("X-Identity", assertion), ("X-Identity", assertion)])
    joined = call("/who", [("X-Identity", separator.join([assertion, assertion]))])
    assert repeated.status == joined.status == 401
    assert repeated.headers["x-identity-refused"] == joined.headers["x-identity-refused"] == "More than one assertion"


def test_an_assertion_of_another_service_is_refused(call: Call) -> None:
    foreign = [IdentityMinter(random_secret(), "reports").assertion(), IdentityMinter(audience="notes").assertion()]
    assert [call("/who", [("X-Identity", assertion)]).status for assertion in foreign] == [401, 401]


def test_a_role_is_required(call: Call, minter: IdentityMinter) -> None:
    def status(*roles: str) -> int:
        return call("/staff", [("X-Identity", minter.assertion(roles=roles))]).status

    assert status("auditor", "staff") == 200
    assert status() == status("auditor") == status("staff-auditor") == 403
    assert call("/staff").status == 401


def test_a_missing_role_is_named_and_not_blamed_on_the_gateway(call: Call, minter: IdentityMinter) -> None:
    answer = call("/staff", [("X-Identity", minter.assertion())])
    assert answer.json["detail"] == "This needs the role 'staff'."
    assert "x-identity-refused" not in answer.headers


@pytest.mark.parametrize("spelling", [str, str.lower, lambda name: name.replace("-", "_")], ids=["", "lower", "_"])
def test_views_do_not_see_unsigned_headers(
    call: Call, minter: IdentityMinter, spelling: Callable[[str], str]
) -> None:
    """Also not those with underscores, which WSGI reads as hyphens."""
    fields = [(spelling(name), "root") for name in UNSIGNED]
    assert call("/seen", [*fields, ("X-Identity", minter.assertion())]).json == []
    assert call("/seen", fields).json == []


def test_clocks_may_differ_by_ten_seconds(call: Call, minter: IdentityMinter) -> None:
    """The newest complaint about libraries that verify such headers: iat in the future."""
    statuses = {age: call("/who", [("X-Identity", minter.assertion(age=age))]).status for age in (-60, -8, 0, 55, 61)}
    assert statuses == {-60: 401, -8: 200, 0: 200, 55: 200, 61: 401}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_refusal_is_a_problem_with_the_request_id(name: str) -> None:
    answer = APPLICATIONS[name]()("/who", [("X-Request-Id", "3f0e4c1b9a550d6d")])
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json == {
        "type": "urn:sallyport:problem:identity_missing",
        "title": "The request carries no identity assertion.",
        "status": 401,
        "detail": "The request carries no identity assertion.",
        "code": "identity_missing",
        "request_id": "3f0e4c1b9a550d6d",
    }


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("request_id", ["short", "a" * 65, "<script>alert(1)</script>", "é" * 10])
def test_a_malformed_request_id_is_not_repeated(name: str, request_id: str) -> None:
    assert "request_id" not in APPLICATIONS[name]()("/who", [("X-Request-Id", request_id)]).json
