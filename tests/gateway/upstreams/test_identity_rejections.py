"""If a service rejects the gateway's identity assertion, the client gets 502 and not 401: its token is valid."""

import json

import pytest
from structlog.testing import capture_logs

from gateway.upstreams.identity_rejections import LOG_INTERVAL, IdentityRejections
from tests.gateway.browser import COOKIE, SAME_ORIGIN, UNKNOWN_HANDLE, log_in, send
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawResponse
from tests.gateway.raw_upstream import RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running

REASON = "Token has a bad signature"
CHALLENGE = 'WWW-Authenticate: Bearer realm="api", error="invalid_token"'
WEBSOCKET = (
    *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def refusing(*fields: str) -> bytes:
    return ok(b"no", CHALLENGE, *fields).replace(b"200 OK", b"401 Unauthorized", 1)


REJECTED = refusing(f"X-Identity-Refused: {REASON}")


def is_rejection(response: RawResponse) -> bool:
    """Return whether the response is a 502 that has none of the fields of the service's 401."""
    seen = (
        response.status,
        response.get("www-authenticate"),
        response.get("x-identity-refused"),
        response.get("set-cookie"),
    )
    return seen == (502, None, None, None)


@pytest.mark.parametrize("line", ["GET /api/x", "HEAD /api/x", "POST /api/x", "DELETE /api/x", "GET /streams/x"])
def test_a_rejected_assertion_is_a_502(gateway: RunningGateway, upstream: RawUpstream, token: str, line: str) -> None:
    """So is each repeated rejection, in a buffered and in a streamed response."""
    method = line.split(" ")[0]
    upstream.begin(answering(REJECTED.removesuffix(b"no") if method == "HEAD" else REJECTED))
    with gateway.connect() as client:
        for _ in range(4):
            response = client.request(f"{line} HTTP/1.1", "Host: gateway", f"Authorization: Bearer {token}")
            assert is_rejection(response)
            if method != "HEAD":
                assert response.problem["code"] == "identity_rejected"
        upstream.begin_answering(answering(ok(b"ok").removesuffix(b"ok") if method == "HEAD" else ok(b"ok")))
        again = client.request(f"{line} HTTP/1.1", "Host: gateway", f"Authorization: Bearer {token}")
        assert again.status == 200
    assert len(upstream.requests) == 5  # no request was sent twice


@pytest.mark.parametrize("framing", ["Content-Length: 4", "Transfer-Encoding: chunked"])
def test_a_rejection_of_a_request_with_a_body_is_a_502(
    gateway: RunningGateway, upstream: RawUpstream, token: str, framing: str
) -> None:
    upstream.begin(answering(REJECTED))
    body = b"body" if "Length" in framing else b"4\r\nbody\r\n0\r\n\r\n"
    with gateway.connect() as client:
        fields = "Host: gateway", f"Authorization: Bearer {token}", framing
        assert is_rejection(client.request("POST /api/x HTTP/1.1", *fields, body=body))


def test_a_rejection_of_a_websocket_handshake_is_a_502(
    gateway: RunningGateway, upstream: RawUpstream, token: str
) -> None:
    upstream.begin(answering(REJECTED))
    assert is_rejection(send(gateway, "GET /ws/x", f"Authorization: Bearer {token}", *WEBSOCKET))


def test_a_services_own_401_reaches_the_client(gateway: RunningGateway, upstream: RawUpstream, token: str) -> None:
    """Before and after a rejection, and on the same connection."""
    with gateway.connect() as client:
        for own, rejects in ((True, False), (True, False), (True, False), (False, True), (True, False)):
            upstream.begin_answering(answering(refusing() if own else REJECTED))
            response = client.request("GET /api/own HTTP/1.1", "Host: gateway", f"Authorization: Bearer {token}")
            assert is_rejection(response) is rejects
            if own:
                assert (response.status, response.body) == (401, b"no")


def test_a_public_route_has_no_assertion_to_reject(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """The 401 reaches the client, without X-Identity-Refused, which is for the gateway."""
    upstream.begin(answering(REJECTED))
    for _ in range(3):
        response = send(gateway, "GET /public/x")
        assert (response.status, response.body, response.get("x-identity-refused")) == (401, b"no", None)


def test_the_reason_is_logged_once_in_ten_seconds_per_service() -> None:
    now = 1_000.0
    rejections = IdentityRejections("identity_rejected", lambda: now)
    with capture_logs() as lines:
        for _ in range(50):
            rejections.record("notes", "r" * 1_000)
        rejections.record("reports", "Token is expired")
        now += LOG_INTERVAL
        rejections.record("notes", "Token is expired")
    assert [(line["event"], line["upstream"], line["reason"], line["count"]) for line in lines] == [
        ("identity_rejected", "notes", "r" * 100, 1),
        ("identity_rejected", "reports", "Token is expired", 1),
        ("identity_rejected", "notes", "Token is expired", 50),
    ]
    assert {line["log_level"] for line in lines} == {"warning"}


def test_an_auth_service_that_rejects_the_gateway_is_a_502(make_app: MakeApp, auth_upstream: RawUpstream) -> None:
    """The client gets no error about its password or session, and keeps its session cookie."""
    refusal = json.dumps({"code": "peer_refused", "detail": REASON}).encode()
    with running(make_app()) as served, capture_logs() as lines:
        auth_upstream.begin_answering(answering(ok(refusal).replace(b"200 OK", b"403 Forbidden", 1)))
        assert log_in(served).problem["code"] == "peer_rejected"
        cookie = f"Cookie: {COOKIE}={UNKNOWN_HANDLE}"
        for line in ("GET /api/x", "GET /session/", "DELETE /session/"):
            response = send(served, line, cookie, *SAME_ORIGIN)
            assert is_rejection(response)
            assert response.problem["code"] == "peer_rejected"
        auth_upstream.begin_answering(answering(ok(b"{}").replace(b"200 OK", b"403 Forbidden", 1)))
        assert send(served, "GET /api/x", cookie).status == 503  # a 403 without a rejection
    assert [line["reason"] for line in lines if line["event"] == "peer_rejected"] == [REASON]
