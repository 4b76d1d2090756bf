"""The sample configurations of nginx and Caddy forward only admitted requests, without spoofed fields."""

import time
from collections.abc import Iterator

import pytest

from contract.identity import IDENTITY_HEADER, UNSIGNED_HEADERS
from sallyport_service.assertion import verify
from sallyport_service.keys import verification_key
from tests.gateway.access_tokens import IDENTITY_SECRET, SigningKey, access_claims
from tests.gateway.conftest import MakeApp
from tests.gateway.pipeline.forward_auth.sample_proxies import PROXIES, SampleProxy
from tests.gateway.raw_client import RawResponse, single_request
from tests.gateway.raw_upstream import RawUpstream, answering, ok
from tests.gateway.running_gateway import running
from tests.gateway.stand_ins.auth_service import AuthStandIn
from tests.ports import free_port

IDENTITY_FIELDS = [name.lower() for name in (IDENTITY_HEADER, *UNSIGNED_HEADERS)]
SPOOFED = [f"{name}: forged" for name in IDENTITY_FIELDS]


@pytest.fixture(scope="module", params=PROXIES)
def proxy(request: pytest.FixtureRequest) -> SampleProxy:
    """Each proxy that is installed: on Debian the packages nginx-light and caddy."""
    found = PROXIES[request.param]
    if found.program is None:
        pytest.skip(f"{found.name} is not installed")
    return found


@pytest.fixture(scope="module")
def port(
    proxy: SampleProxy, signing_key: SigningKey, make_app: MakeApp, shared_upstream: RawUpstream
) -> Iterator[int]:
    """The port of the proxy, in front of the gateway and the service."""
    auth_service = RawUpstream()
    auth_service.begin(AuthStandIn(signing_key).answer)
    with (
        running(make_app(AUTH_URL=auth_service.url, GATEWAY_FORWARD_AUTH="public")) as gateway,
        proxy.running(
            gateway_port=gateway.port, gateway_internal_port=gateway.port, service_port=shared_upstream.port
        ) as port,
    ):
        yield port
    auth_service.stop()


def send(port: int, line: str, *fields: str, body: bytes = b"") -> RawResponse:
    length = [f"Content-Length: {len(body)}"] if body else []
    return single_request(port, f"{line} HTTP/1.1", "Host: h", *fields, *length, body=body)


def test_the_service_gets_the_verified_identity_and_no_spoofed_one(
    port: int, upstream: RawUpstream, token: str
) -> None:
    """The service gets path, query and body unchanged, and no credentials."""
    upstream.begin(answering(ok(b"done", "X-Identity: leaked")))
    credentials = (f"Authorization: Bearer {token}", "X-Refresh-Token: r")
    answer = send(port, "POST /api/a%20b?q=%2F", *SPOOFED, *credentials, body=b"a note")
    assert (answer.status, answer.body, answer.get("x-identity")) == (200, b"done", None)
    request = upstream.last
    assert (request.request_line, request.body) == ("POST /api/a%20b?q=%2F HTTP/1.1", b"a note")
    key = verification_key(IDENTITY_SECRET)
    identity = verify(request.get("x-identity") or "", key=key, audience="notes", now=time.time())
    assert (identity.subject, identity.roles) == ("ada-id", ("user", "staff"))
    assert [request.get(name) for name in IDENTITY_FIELDS[1:]] == [
        "ada-id",
        "ada@example.org",
        "user staff",
        "ada-session",
    ]
    assert {"authorization", "cookie", "x-refresh-token"}.isdisjoint(name for name, _ in request.fields)


def test_on_a_public_route_a_spoofed_identity_is_removed(port: int, upstream: RawUpstream) -> None:
    """The service gets each identity field empty, or not at all."""
    assert send(port, "GET /public/", *SPOOFED).status == 200
    assert {value for name, value in upstream.last.fields if name in IDENTITY_FIELDS} <= {""}


@pytest.mark.parametrize(
    ("line", "status", "field"),
    [
        ("GET /api/", 401, "www-authenticate"),
        ("GET /unknown/", 404, None),
        ("DELETE /by-method/", 405, "allow"),
        ("GET /api/%2e%2e/staff/", 400, None),
        ("GET /public/../api/", 400, None),
        ("GET /api//public/", 400, None),
        ("GET /healthz", 404, None),
    ],
)
def test_a_refusal_reaches_the_client_and_nothing_reaches_the_service(
    port: int, upstream: RawUpstream, line: str, status: int, field: str | None
) -> None:
    """This holds for paths that the proxy normalizes, too."""
    spoofed = (*SPOOFED, "X-Original-URI: /public/", "X-Forwarded-Uri: /public/", "X-Forwarded-Method: GET")
    answer = send(port, line, *spoofed)
    assert answer.status == status
    assert field is None or answer.get(field)
    assert upstream.requests == []


def test_a_missing_role_is_refused(port: int, upstream: RawUpstream, signing_key: SigningKey) -> None:
    plain = signing_key.sign(access_claims(time.time(), roles="user"))
    assert send(port, "GET /staff/", f"Authorization: Bearer {plain}").status == 403
    assert upstream.requests == []


def test_refreshed_tokens_reach_the_client(port: int, upstream: RawUpstream, signing_key: SigningKey) -> None:
    expired = signing_key.sign(access_claims(time.time() - 600))
    answer = send(port, "GET /api/", f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh")
    assert (answer.status, answer.get("x-refresh-token")) == (200, "successor")
    assert (answer.get("x-access-token") or "").startswith("eyJ")
    assert answer.get("cache-control") == "no-store"
    assert upstream.last.get("x-user-id") == "ada-id"


def test_token_fields_of_a_service_are_removed(port: int, upstream: RawUpstream, token: str) -> None:
    upstream.begin(answering(ok(b"x", "X-Access-Token: planted", "X-Refresh-Token: planted")))
    answer = send(port, "GET /api/", f"Authorization: Bearer {token}")
    assert [answer.get(name) for name in ("x-access-token", "x-refresh-token", "cache-control")] == [None] * 3


def test_no_request_passes_while_the_gateway_is_down(proxy: SampleProxy, upstream: RawUpstream, token: str) -> None:
    with proxy.running(
        gateway_port=free_port(), gateway_internal_port=free_port(), service_port=upstream.port
    ) as port:
        assert send(port, "GET /public/", f"Authorization: Bearer {token}").status in (502, 503)
    assert upstream.requests == []


def test_clients_cannot_use_forward_auth(port: int, token: str) -> None:
    """An identity assertion never reaches a client."""
    answer = send(port, "GET /forward-auth", f"Authorization: Bearer {token}", "X-Original-URI: /api/")
    assert (answer.status, answer.get("x-identity")) == (404, None)
