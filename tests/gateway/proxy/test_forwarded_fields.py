"""Which header fields of a request reach the upstream, and which the gateway sets itself."""

import time

import pytest

from chassis.settings import SettingsError
from contract.identity import IDENTITY_HEADER
from sallyport_service.assertion import verify
from sallyport_service.keys import verification_key
from tests.gateway.access_tokens import IDENTITY_SECRET, SigningKey, access_claims
from tests.gateway.conftest import MakeApp
from tests.gateway.proxy.gateway_fields import GATEWAY_FIELDS, IDENTITY_FIELDS
from tests.gateway.raw_upstream import RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running


def forwarded(upstream: RawUpstream) -> list[tuple[str, str]]:
    """Return the fields of the latest request without those that the gateway adds."""
    return [(name, value) for name, value in upstream.last.fields if name not in (*GATEWAY_FIELDS, *IDENTITY_FIELDS)]


def test_other_fields_are_forwarded_unchanged(gateway: RunningGateway, upstream: RawUpstream) -> None:
    fields = [
        ("accept", "text/html, */*;q=0.1"),
        ("accept-encoding", "gzip, br"),
        ("content-type", "text/plain"),
        ("if-none-match", 'W/"x"'),
        ("range", "bytes=0-1"),
        ("x-empty", ""),
        ("x-twice", "1"),
        ("x-twice", "2"),
        ("x-latin", "\xe9\xff"),
    ]
    with gateway.connect() as client:
        client.request("GET /public/ HTTP/1.1", "Host: h", *(f"{name}: {value}" for name, value in fields))
    assert forwarded(upstream) == fields


def test_white_space_around_a_value_is_removed(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """RFC 9112 5.1: in requests and in responses; white space within a value stays."""
    upstream.begin(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2 \t\r\nX-A:\t a \t b \r\nX-B: \t \r\n\r\nok"))
    for _ in range(3):  # the third time, both heads are cached
        with gateway.connect() as client:
            answer = client.request("GET /public/ HTTP/1.1", "Host: h\t ", "X-A: \t a \t b\t", "X-B:\t ")
        assert forwarded(upstream) == [("x-a", "a \t b"), ("x-b", "")]
        assert b"x-a: a \t b\r\nx-b: \r\n" in upstream.last.head
        assert b"X-Forwarded-Host: h\r\n" in upstream.last.head
        assert (answer.status, answer.body) == (200, b"ok")
        assert (answer.get("content-length"), answer.get("x-a"), answer.get("x-b")) == ("2", "a \t b", "")


def test_white_space_around_connection_options_is_removed(gateway: RunningGateway, upstream: RawUpstream) -> None:
    upstream.begin(answering(ok(b"ok", "Connection: keep-alive ,\tX-Gone\t ", "X-Gone: 1", "X-Kept: 1")))
    with gateway.connect() as client:
        lines = ("Connection: keep-alive ,\tX-Gone\t ", "X-Gone: 1", "X-Kept: 1")
        answer = client.request("GET /public/ HTTP/1.1", "Host: h", *lines)
    assert forwarded(upstream) == [("x-kept", "1")]
    assert (answer.get("x-gone"), answer.get("x-kept")) == (None, "1")


def test_hop_by_hop_fields_and_those_that_connection_names_are_removed(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    hop_by_hop = [
        "Connection: keep-alive, X-Named",
        "X-Named: 1",
        "Keep-Alive: timeout=5",
        "TE: trailers",
        "Trailer: X-Late",
        "Proxy-Authorization: Basic eA==",
        "Proxy-Connection: keep-alive",
        "Proxy-Features: 1",
        "Proxy: http://evil.example",
        "HTTP2-Settings: AAMAAABkAAQAAP__",
    ]
    with gateway.connect() as client:
        client.request("GET /public/ HTTP/1.1", "Host: h", *hop_by_hop, "X-Kept: 1")
    assert forwarded(upstream) == [("x-kept", "1")]


SPOOFED = [
    "X-Identity: forged",
    "x-identity: forged",
    "X-User-Id: root",
    "X-USER-ID: root",
    "X-User-Roles: staff",
    "X-User-Anything: 1",
    "X-Session-Id: 1",
    "X-Peer: forged",
    "X-Fetched-Token: forged",
    "X-Request-Id: chosen-by-the-client",
    "X-Forwarded-For: 1.2.3.4",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Prefix: /evil",
    "Forwarded: for=1.2.3.4",
    "Via: 1.1 evil",
    "X-Real-Ip: 1.2.3.4",
    "X-Original-Url: /admin",
    "X-Rewrite-Url: /admin",
    "X-Http-Method-Override: DELETE",
]


@pytest.mark.parametrize("connection", ["close", "close, X-Identity, X-User-Id, X-Request-Id, Via, X-Forwarded-For"])
def test_spoofed_fields_are_replaced(
    gateway: RunningGateway, upstream: RawUpstream, token: str, connection: str
) -> None:
    """Naming fields of the gateway in Connection removes none (CVE-2021-32813)."""
    with gateway.connect() as client:
        answer = client.request(
            "GET /api/ HTTP/1.1", "Host: h", *SPOOFED, f"Authorization: Bearer {token}", f"Connection: {connection}"
        )
    assert answer.status == 200
    assert forwarded(upstream) == []
    request = upstream.last
    assertion = request.get(IDENTITY_HEADER) or ""
    identity = verify(assertion, key=verification_key(IDENTITY_SECRET), audience="notes", now=time.time())
    assert (identity.subject, identity.session, identity.roles) == ("ada-id", "ada-session", ("user", "staff"))
    assert request.get("x-user-id") == "ada-id"
    assert request.get("x-forwarded-for") == "127.0.0.1"
    assert request.get("x-forwarded-proto") == "http"
    assert request.get("x-forwarded-host") == "h"
    assert request.get("via") == "1.1 evil, 1.1 sallyport"
    assert request.get("x-request-id") == answer.get("x-request-id") != "chosen-by-the-client"


def test_a_public_route_sends_no_identity(gateway: RunningGateway, upstream: RawUpstream, token: str) -> None:
    with gateway.connect() as client:
        client.request("GET /public/ HTTP/1.1", "Host: h", *SPOOFED, f"Authorization: Bearer {token}")
    assert not {name for name, _ in upstream.last.fields} & set(IDENTITY_FIELDS)


def test_trailers_are_removed(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """RFC 9110 6.5.1: they become header fields neither of their own request nor of the next one."""
    chunked = b"2\r\nab\r\n0\r\nX-Late: 1\r\nX-User-Id: root\r\nAuthorization: Bearer x\r\n\r\n"
    with gateway.connect() as client:
        client.request("POST /public/ HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", body=chunked)
        assert forwarded(upstream) == [("transfer-encoding", "chunked")]
        assert upstream.last.body == b"2\r\nab\r\n0\r\n\r\n"
        client.request("GET /public/ HTTP/1.1", "Host: h")
        assert forwarded(upstream) == []


def test_only_the_auth_service_gets_credentials(
    gateway: RunningGateway, upstream: RawUpstream, auth_upstream: RawUpstream, token: str
) -> None:
    given = ("Host: h", f"Authorization: Bearer {token}", "Cookie: a=1", "Cookie: b=2")
    with gateway.connect() as client:
        client.request("GET /api/ HTTP/1.1", *given)
        client.request("GET /foreign/ HTTP/1.1", *given)
        client.request("GET /auth/users/me/ HTTP/1.1", *given)
    for request in upstream.requests:
        assert {"authorization", "cookie"}.isdisjoint(name for name, _ in request.fields)
    last = next(r for r in auth_upstream.requests if r.request_line.startswith("GET /auth/"))
    assert last.get("authorization") == f"Bearer {token}"
    assert last.get("cookie") == "a=1; b=2"
    assert {name for name, _ in last.fields}.isdisjoint(IDENTITY_FIELDS)


def test_an_invalid_token_is_forwarded_to_the_auth_service(
    gateway: RunningGateway, auth_upstream: RawUpstream
) -> None:
    """The gateway does not verify tokens on a public route."""
    with gateway.connect() as client:
        answer = client.request("POST /auth/jwt/create/ HTTP/1.1", "Host: h", "Authorization: Bearer stale")
    assert answer.status == 200
    forwarded_request = next(r for r in auth_upstream.requests if r.request_line.startswith("POST /auth/"))
    assert forwarded_request.get("authorization") == "Bearer stale"


def test_a_service_without_an_identity_secret_gets_no_identity(
    gateway: RunningGateway, upstream: RawUpstream, token: str
) -> None:
    with gateway.connect() as client:
        assert client.request("GET /foreign/ HTTP/1.1", "Host: h", f"Authorization: Bearer {token}").status == 200
        assert client.request("GET /foreign/ HTTP/1.1", "Host: h").status == 401
    assert {name for name, _ in upstream.last.fields}.isdisjoint(IDENTITY_FIELDS)


def test_a_valid_traceparent_is_forwarded_and_an_invalid_one_removed(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with gateway.connect() as client:
        client.request("GET /public/ HTTP/1.1", "Host: h", f"traceparent: {good}")
        assert forwarded(upstream) == [("traceparent", good)]
        client.request("GET /public/ HTTP/1.1", "Host: h", f"traceparent: {good}-x")
        assert forwarded(upstream) == []


def test_a_service_gets_the_listed_claims_of_the_claims_hook(
    make_app: MakeApp, upstream: RawUpstream, signing_key: SigningKey
) -> None:
    now = time.time()
    claims = access_claims(now, jti=f"hooked-{now}", tenant="acmé", plan={"seats": 3}, internal="x")
    with running(make_app(IDENTITY_CLAIMS="tenant, plan")) as gateway, gateway.connect() as client:
        answer = client.request("GET /api/ HTTP/1.1", "Host: h", f"Authorization: Bearer {signing_key.sign(claims)}")
    assert answer.status == 200
    assertion = upstream.last.get(IDENTITY_HEADER) or ""
    identity = verify(assertion, key=verification_key(IDENTITY_SECRET), audience="notes", now=time.time())
    assert identity.claims == {"tenant": "acmé", "plan": {"seats": 3}}


@pytest.mark.parametrize("name", ["sub", "roles", "claims"])
def test_a_claim_of_ours_cannot_be_forwarded_as_one_of_the_hook(make_app: MakeApp, name: str) -> None:
    with pytest.raises(SettingsError, match=f"IDENTITY_CLAIMS must not contain {name}"):
        make_app(IDENTITY_CLAIMS=f"tenant,{name}")
