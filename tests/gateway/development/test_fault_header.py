"""X-Sallyport-Fault: a client under test orders a fault for one request."""

import json
import re

import pytest
from flask import Flask

from auth_service.api.errors import bad_access_token
from contract.internal_api import EXCHANGE_PATH
from tests.gateway.browser import SAME_ORIGIN, log_in_for_cookie
from tests.gateway.development.conftest import Development
from tests.gateway.raw_client import RawClient, RawResponse
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway

EXPIRED = "X-Sallyport-Fault: expired-token"
LOST = "X-Sallyport-Fault: lost-answer"
UNAVAILABLE = "X-Sallyport-Fault: unavailable"


def without_ids(response: RawResponse) -> tuple[object, ...]:
    """Return what two equal refusals have in common: all but request id and date."""
    fields = [field for field in response.fields if field[0] not in ("x-request-id", "date")]
    return response.status, fields, re.sub(rb'"request_id": ?"\w+"', b"", response.body)


def test_a_bearer_token_counts_as_expired(development: Development, upstream: RawUpstream) -> None:
    bearer = development.bearer()
    expired = development.request("GET /api/x", bearer, EXPIRED)
    assert (expired.status, expired.problem["code"]) == (401, "token_expired")
    assert upstream.requests == []
    assert development.request("GET /api/x", bearer).status == 200


def test_the_refusal_equals_that_of_a_token_that_has_really_expired(development: Development) -> None:
    bearer = development.bearer()
    faulty = development.request("GET /api/x", bearer, EXPIRED)
    development.clock.move(1_000)
    assert without_ids(faulty) == without_ids(development.request("GET /api/x", bearer))


def test_an_invalid_token_is_invalid_and_not_expired(development: Development) -> None:
    response = development.request("GET /api/x", "Authorization: Bearer a.b.c", EXPIRED)
    assert response.problem["code"] == "token_invalid"


def test_the_auth_service_s_refusal_equals_that_of_an_expired_token(development: Development) -> None:
    with Flask(__name__).app_context():
        real = bad_access_token("Token is expired").to_response()
    faulty = development.request("GET /auth/users/me/", development.bearer(), EXPIRED)
    assert (faulty.status, json.loads(faulty.body)) == (real.status_code, real.get_json())
    for name in ("content-type", "www-authenticate"):
        assert faulty.get(name) == real.headers[name]


def test_a_refresh_ignores_the_expired_token_that_it_comes_with(development: Development) -> None:
    body = b'{"refresh": "good-refresh"}'
    response = development.request("POST /auth/jwt/refresh/", development.bearer(), EXPIRED, body=body)
    assert (response.status, json.loads(response.body)["refresh"]) == (200, "successor")


def test_with_a_refresh_token_the_gateway_refreshes(development: Development) -> None:
    fields = (development.bearer(), "X-Refresh-Token: good-refresh")
    assert development.request("GET /api/x", *fields).get("x-access-token") is None
    response = development.request("GET /api/x", *fields, EXPIRED)
    assert (response.status, response.get("x-refresh-token")) == (200, "successor")


def test_for_a_session_cookie_the_gateway_fetches_another_token(development: Development) -> None:
    cookie = log_in_for_cookie(development.gateway)
    exchanges = development.auth.count(EXCHANGE_PATH)
    assert development.request("GET /api/x", cookie, *SAME_ORIGIN, EXPIRED).status == 200
    assert development.auth.count(EXCHANGE_PATH) == exchanges + 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_answer_is_lost_after_the_request_was_carried_out(
    development: Development, upstream: RawUpstream, method: str
) -> None:
    with RawClient(development.gateway.port) as client:
        client.send(f"{method} /public/x HTTP/1.1\r\nHost: h\r\n{LOST}\r\nContent-Length: 2\r\n\r\nab".encode())
        assert client.read_to_end() == b""
    assert [request.body for request in upstream.requests] == [b"ab"]


def test_the_answer_of_a_kept_connection_is_lost_too(development: Development, upstream: RawUpstream) -> None:
    """The first requests are parsed; later ones with the same header section are answered by callbacks."""
    for _ in range(4):
        with RawClient(development.gateway.port) as client:
            for _ in range(2):
                assert client.request("GET /public/x HTTP/1.1", "Host: h").status == 200
            client.send(f"GET /public/x HTTP/1.1\r\nHost: h\r\n{LOST}\r\n\r\n".encode())
            assert client.read_to_end() == b""


def test_the_answer_to_a_log_in_is_lost(development: Development) -> None:
    sessions = len(development.auth.handles)
    body = b'{"email": "ada@example.org", "password": "two doors, one key"}'
    with RawClient(development.gateway.port) as client:
        head = ("POST /session/ HTTP/1.1", "Host: gateway", "Content-Type: application/json", *SAME_ORIGIN, LOST)
        client.send("\r\n".join((*head, f"Content-Length: {len(body)}", "", "")).encode() + body)
        assert client.read_to_end() == b""
    assert len(development.auth.handles) == sessions + 1


def test_nothing_is_carried_out_while_unavailable(development: Development, upstream: RawUpstream) -> None:
    response = development.request("GET /public/x", UNAVAILABLE, "Origin: http://localhost:5173")
    assert (response.status, response.get("retry-after")) == (503, "1")
    assert response.problem["code"] == "upstream_unavailable"
    assert response.get("access-control-allow-origin") == "http://localhost:5173", "a page can read the response"
    assert upstream.requests == []


def test_the_endpoints_of_sessions_are_unavailable_too(development: Development) -> None:
    assert development.request("GET /session/", UNAVAILABLE).status == 503


def test_an_unknown_fault_is_refused_by_name(development: Development) -> None:
    response = development.request("GET /public/x", "X-Sallyport-Fault: expired_token")
    assert response.status == 400
    assert response.problem["detail"] == (
        'X-Sallyport-Fault must be one of: expired-token, lost-answer, unavailable; got "expired_token".'
    )


def test_the_health_endpoints_have_no_faults(development: Development) -> None:
    assert development.request("GET /healthz", UNAVAILABLE).status == 200


def test_the_field_is_not_forwarded(development: Development, upstream: RawUpstream) -> None:
    cookie = log_in_for_cookie(development.gateway)
    assert development.request("GET /api/x", cookie, EXPIRED).status == 200
    assert upstream.requests[-1].get("x-sallyport-fault") is None


@pytest.mark.parametrize("fault", [EXPIRED, LOST, UNAVAILABLE, "X-Sallyport-Fault: nonsense"])
def test_without_development_the_field_is_removed_and_has_no_effect(
    gateway: RunningGateway, upstream: RawUpstream, token: str, fault: str
) -> None:
    with gateway.connect() as client:
        fields = ("Host: h", f"Authorization: Bearer {token}", fault)
        assert client.request("GET /api/x HTTP/1.1", *fields).body == b"ok"
        assert client.request("POST /development/faults HTTP/1.1", *fields, "Content-Length: 0").status == 404
    assert upstream.requests[-1].get("x-sallyport-fault") is None
