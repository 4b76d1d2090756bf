"""The gateway refuses requests with problem details, and keeps the connection only if its framing is certain."""

import time

import pytest

from gateway import worker_application
from gateway.proxy.request_body import REQUEST_BUFFER_BYTES
from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawClient
from tests.gateway.raw_upstream import WAIT, RawUpstream
from tests.gateway.running_gateway import RunningGateway, running


def refused(client: RawClient, *lines: str, body: bytes = b"") -> tuple[int, str]:
    """Return the status and the code of the refusal."""
    answer = client.request(*lines, body=body)
    assert answer.problem["request_id"] == answer.get("x-request-id")
    return answer.status, answer.problem["code"]


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        ("GET / HTTP/1.1", 404, "not_found"),
        ("GET /apix/ HTTP/1.1", 404, "not_found"),
        ("GET /authx HTTP/1.1", 404, "not_found"),
        ("GET /internal/seen HTTP/1.1", 404, "not_found"),
        ("POST /readonly/ HTTP/1.1", 405, "method_not_allowed"),
        ("TRACE /public/ HTTP/1.1", 405, "method_not_allowed"),
        ("PROPFIND /public/ HTTP/1.1", 405, "method_not_allowed"),
        ("GET /api/ HTTP/1.1", 401, "no_credentials"),
        ("GET /public/../api/ HTTP/1.1", 400, "bad_path"),
        ("GET /public/%2e%2e/api/ HTTP/1.1", 400, "bad_path"),
        ("GET /public/..;/api/ HTTP/1.1", 400, "bad_path"),
        ("GET /public//api HTTP/1.1", 400, "bad_path"),
        ("GET /public/a%2fb HTTP/1.1", 400, "bad_path"),
        ("GET /public\\a HTTP/1.1", 400, "bad_path"),
        ("GET /public/a#b HTTP/1.1", 400, "bad_path"),
    ],
)
def test_a_refusal_has_problem_details_with_the_request_id(
    gateway: RunningGateway, upstream: RawUpstream, line: str, status: int, code: str
) -> None:
    with gateway.connect() as client:
        assert refused(client, line, "Host: h") == (status, code)
    assert upstream.requests == []


def test_the_refusal_of_a_method_lists_the_allowed_methods(gateway: RunningGateway) -> None:
    """GET implies HEAD (RFC 9110 9.3.2)."""
    with gateway.connect() as client:
        assert client.request("DELETE /readonly/ HTTP/1.1", "Host: h").get("allow") == "GET, HEAD"


def test_the_challenge_distinguishes_missing_from_invalid_credentials(
    gateway: RunningGateway, signing_key: SigningKey
) -> None:
    expired = signing_key.sign(access_claims(time.time() - 3_600))
    visitor = signing_key.sign(access_claims(time.time(), roles="user"))
    expected = {
        "no Authorization": (401, 'Bearer realm="api"'),
        "Authorization: Basic eDp5": (401, 'Bearer realm="api"'),
        "Authorization: Bearer": (401, 'Bearer realm="api", error="invalid_token"'),
        "Authorization: Bearer a b": (401, 'Bearer realm="api", error="invalid_token"'),
        "Authorization: Bearer a.b.c": (401, 'Bearer realm="api", error="invalid_token"'),
        f"Authorization: Bearer {expired}": (401, 'Bearer realm="api", error="invalid_token"'),
        f"Authorization: Bearer {visitor}": (403, 'Bearer realm="api", error="insufficient_scope"'),
    }
    with gateway.connect() as client:
        for line, challenge in expected.items():
            given = [line] if line.startswith("Authorization") else []
            response = client.request("GET /staff/ HTTP/1.1", "Host: h", *given)
            assert (response.status, response.get("www-authenticate")) == challenge, line


def test_the_scheme_bearer_is_case_insensitive(gateway: RunningGateway, upstream: RawUpstream, token: str) -> None:
    with gateway.connect() as client:
        for scheme in ("Bearer", "bearer", "BEARER"):
            assert client.request("GET /api/ HTTP/1.1", "Host: h", f"Authorization: {scheme} {token}").status == 200


def test_two_authorization_fields_are_refused(gateway: RunningGateway, token: str) -> None:
    with gateway.connect() as client:
        twice = [f"Authorization: Bearer {token}"] * 2
        assert refused(client, "GET /api/ HTTP/1.1", "Host: h", *twice) == (400, "multiple_credentials")


def test_a_refusal_does_not_contain_the_token(gateway: RunningGateway, signing_key: SigningKey) -> None:
    forged = SigningKey(kid=signing_key.kid).sign(access_claims(time.time()))
    with gateway.connect() as client:
        answer = client.request("GET /api/ HTTP/1.1", "Host: h", f"Authorization: Bearer {forged}")
    assert answer.status == 401
    assert not any(part.encode() in answer.body for part in forged.split("."))


@pytest.mark.parametrize("token_length", [7_500, 20_000, 60_000])
def test_an_oversized_token_is_an_invalid_token(gateway: RunningGateway, token_length: int) -> None:
    with gateway.connect() as client:
        huge = f"Authorization: Bearer {'x' * token_length}"
        # The second field makes the header section exceed 8 KiB, a usual limit of servers, also with 7,500 bytes.
        assert refused(client, "GET /api/ HTTP/1.1", "Host: h", huge, "X: " + "y" * 800) == (401, "token_invalid")


# --- bodies ------------------------------------------------------------------------------------------------------


def test_a_body_over_the_routes_limit_is_refused_unread(gateway: RunningGateway, upstream: RawUpstream) -> None:
    with gateway.connect() as client:
        assert refused(client, "POST /small-body/ HTTP/1.1", "Host: h", "Content-Length: 11") == (
            413,
            "body_too_large",
        )
        assert client.is_closed()
    assert upstream.requests == []


def test_a_body_of_exactly_the_limit_is_accepted(gateway: RunningGateway, upstream: RawUpstream) -> None:
    with gateway.connect() as client:
        assert (
            client.request("POST /small-body/ HTTP/1.1", "Host: h", "Content-Length: 10", body=b"0123456789").status
            == 200
        )
        chunks = b"5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"
        assert (
            client.request("POST /small-body/ HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", body=chunks).status
            == 200
        )


def test_a_chunked_body_is_refused_once_it_is_over_the_limit(gateway: RunningGateway, upstream: RawUpstream) -> None:
    with gateway.connect() as client:
        client.send(b"POST /small-body/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n")
        client.send(b"6\r\n567890\r\n")
        answer = client.read_response("POST")
        assert (answer.status, answer.problem["code"]) == (413, "body_too_large")
        assert client.is_closed()
    assert upstream.requests == []


def test_a_refused_upload_releases_its_upstream_connection(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """Otherwise a few such uploads would use all connections to the upstream."""
    for _ in range(3):
        with gateway.connect() as client:
            client.send(b"POST /one-connection/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.send(b"%x\r\n%b\r\n" % (REQUEST_BUFFER_BYTES + 1, bytes(REQUEST_BUFFER_BYTES + 1)))
            _wait_for_request(upstream)
            client.send(b"100001\r\n" + bytes(2**20 + 1))  # 0x100001 bytes, one more than the default max_body
            assert client.read_response("POST").status == 413
        upstream.begin()
    with gateway.connect() as client:
        assert client.request("GET /one-connection/ HTTP/1.1", "Host: h").status == 200


def test_a_client_that_continues_to_send_gets_the_refusal(gateway: RunningGateway) -> None:
    """Closing with unread input would reset the connection, and the client would not get the response."""
    with gateway.connect() as client:
        client.send(b"POST /small-body/ HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n")
        client.send(bytes(3_000_000))
        time.sleep(0.05)  # by now, a reset would have destroyed the response
        assert client.read_response("POST").status == 413


SMUGGLED = b"GET /public/smuggled HTTP/1.1\r\nHost: h\r\n\r\n"


def test_the_body_of_a_refused_request_is_not_read_as_a_request(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    """If the body is complete, the connection continues after it."""
    with gateway.connect() as client:
        length = f"Content-Length: {len(SMUGGLED)}"
        assert client.request("POST /api/ HTTP/1.1", "Host: h", length, body=SMUGGLED).status == 401
        assert client.request("GET /public/next HTTP/1.1", "Host: h").status == 200
    assert [request.request_line for request in upstream.requests] == ["GET /public/next HTTP/1.1"]


def test_the_rest_of_a_refused_request_is_not_read_as_a_request(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    """The gateway does not wait for the rest of the body, so it closes the connection."""
    with gateway.connect() as client:
        length = f"Content-Length: {len(SMUGGLED) + 1}"
        assert client.request("POST /api/ HTTP/1.1", "Host: h", length, body=b"x").status == 401
        client.send(SMUGGLED)
        assert client.is_closed()
    assert upstream.requests == []


# --- faults of the gateway ----------------------------------------------------------------------------------------


def test_without_keys_a_token_is_refused_with_503(
    make_app: MakeApp, upstream: RawUpstream, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a 401, clients would drop valid tokens. Public routes still work."""
    monkeypatch.setattr(worker_application, "STARTUP_WAIT_SECONDS", 0.0)
    nowhere = make_app(AUTH_URL="http://127.0.0.1:1")
    with running(nowhere, until="/healthz") as gateway, gateway.connect() as client:
        answer = client.request("GET /api/ HTTP/1.1", "Host: h", f"Authorization: Bearer {token}")
        assert (answer.status, answer.problem["code"]) == (503, "keys_unavailable")
        assert answer.get("retry-after") == "1"
        assert refused(client, "GET /api/ HTTP/1.1", "Host: h") == (401, "no_credentials")
        assert refused(client, "GET /auth/ HTTP/1.1", "Host: h") == (503, "auth_unavailable")
        assert client.request("GET /public/ HTTP/1.1", "Host: h").status == 200
        ready = client.request("GET /readyz HTTP/1.1", "Host: h")
        assert ready.status == 503
        assert b"signing keys" in ready.body


def test_refusals_of_the_gateways_own_endpoints_are_problems_too(gateway: RunningGateway) -> None:
    with gateway.connect() as client:
        assert refused(client, "POST /healthz HTTP/1.1", "Host: h") == (405, "method_not_allowed")
        assert client.request("GET /healthz HTTP/1.1", "Host: h").status == 200


def _wait_for_request(upstream: RawUpstream) -> None:
    deadline = time.monotonic() + WAIT
    while not upstream.requests and time.monotonic() < deadline:
        time.sleep(0.005)
    assert upstream.requests
