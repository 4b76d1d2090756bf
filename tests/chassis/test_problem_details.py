"""Every error response of a service is problem details with a code and the request id."""

import json

import pytest
from flask import Flask, abort, redirect, request
from flask.testing import FlaskClient
from werkzeug import Response
from werkzeug.test import TestResponse

from chassis.problem_details import install_problem_details
from chassis.request_context import install_request_context, request_id
from contract.problems import ProblemCode, Refused


@pytest.fixture
def client() -> FlaskClient:
    app = Flask("example", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 10
    install_request_context(app)
    install_problem_details(app)

    @app.get("/refused/<code>")
    def refuse(code: ProblemCode) -> str:
        raise Refused(code, "Not now.", retry_after=7, extra={"fields": {"title": ["Too long."]}})

    @app.get("/abort/<int:status>")
    def abort_with(status: int) -> str:
        abort(status)

    @app.get("/fail")
    def fail() -> str:
        raise RuntimeError("password=hunter2")

    @app.get("/redirect")
    def to_elsewhere() -> Response:
        return redirect("/elsewhere")

    @app.post("/body")
    def body() -> str:
        return request.get_data(as_text=True)

    @app.get("/who")
    def who() -> dict[str, str | None]:
        return {"id": request_id(), "address": request.remote_addr, "scheme": request.scheme, "host": request.host}

    return app.test_client()


def problem(response: TestResponse) -> tuple[int, str]:
    """Return status and code, after checking the other members."""
    assert response.content_type == "application/problem+json"
    members = json.loads(response.data)
    assert members["status"] == response.status_code
    assert members["request_id"] == response.headers["X-Request-Id"]
    assert members["type"] == f"urn:sallyport:problem:{members['code']}"
    assert members["title"]
    assert members["detail"]
    return response.status_code, members["code"]


def test_a_refusal_has_code_detail_and_retry_after(client: FlaskClient) -> None:
    response = client.get("/refused/store_unavailable")
    assert problem(response) == (503, "store_unavailable")
    assert response.headers["Retry-After"] == "7"
    assert json.loads(response.data)["detail"] == "Not now."
    assert json.loads(response.data)["fields"] == {"title": ["Too long."]}


@pytest.mark.parametrize(
    ("code", "challenge"),
    [
        ("identity_missing", 'Bearer realm="api"'),
        ("identity_invalid", 'Bearer realm="api"'),
        ("insufficient_scope", 'Bearer realm="api", error="insufficient_scope"'),
        ("not_found", None),
    ],
)
def test_a_401_and_a_403_for_a_missing_role_carry_a_challenge(
    client: FlaskClient, code: str, challenge: str | None
) -> None:
    assert client.get(f"/refused/{code}").headers.get("WWW-Authenticate") == challenge


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "bad_request"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (413, "body_too_large"),
        (414, "target_too_long"),
        (415, "unsupported_media_type"),
        (431, "headers_too_large"),
        (500, "internal_error"),
        (501, "internal_error"),
    ],
)
def test_errors_of_the_framework_are_problem_details(client: FlaskClient, status: int, code: str) -> None:
    assert problem(client.get(f"/abort/{status}"))[1] == code


def test_a_wrong_path_method_or_size_is_problem_details(client: FlaskClient) -> None:
    assert problem(client.get("/nowhere")) == (404, "not_found")
    wrong_method = client.delete("/body")
    assert problem(wrong_method) == (405, "method_not_allowed")
    assert set(wrong_method.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}
    assert problem(client.post("/body", data=b"x" * 11)) == (413, "body_too_large")


def test_an_internal_error_shows_no_details(client: FlaskClient) -> None:
    """Neither the traceback nor the text of the exception."""
    response = client.get("/fail")
    assert problem(response) == (500, "internal_error")
    assert b"hunter2" not in response.data
    assert b"Traceback" not in response.data


def test_a_redirect_is_not_changed(client: FlaskClient) -> None:
    assert client.get("/redirect").headers["Location"] == "/elsewhere"


# --- context of the request -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "is_kept"),
    [
        ("0123456789abcdef", True),
        ("short", False),
        ("x" * 65, False),
        ("a b c d e f g", False),
        ("é" * 10, False),
        ("", False),
    ],
)
def test_a_valid_request_id_is_kept_and_any_other_replaced(client: FlaskClient, sent: str, is_kept: bool) -> None:
    response = client.get("/who", headers={"X-Request-Id": sent})
    assert (response.get_json()["id"] == sent) is is_kept
    assert response.headers["X-Request-Id"] == response.get_json()["id"]
    assert len(response.headers["X-Request-Id"]) >= 8


def test_exactly_one_proxy_hop_is_trusted(client: FlaskClient) -> None:
    forwarded = {
        "X-Forwarded-For": "6.6.6.6, 192.0.2.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "api.example",
    }
    who = client.get("/who", headers=forwarded).get_json()
    assert (who["address"], who["scheme"], who["host"]) == ("192.0.2.1", "https", "api.example")
