"""Forward-auth: a proxy gets the same decision as for a request that the gateway forwards, and the identity."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.identity import IDENTITY_HEADER, UNSIGNED_HEADERS
from gateway.http.request import Request, RequestRecord
from gateway.observability.access_log import AccessLog
from gateway.pipeline.forward_auth import logged_request, original_request
from sallyport_service.assertion import verify
from sallyport_service.keys import verification_key
from tests.gateway.access_tokens import IDENTITY_SECRET, SigningKey, access_claims
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawResponse
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import AuthStandIn, hash_of

IDENTITY_FIELDS = [name.lower() for name in (IDENTITY_HEADER, *UNSIGNED_HEADERS)]
HANDLE = "h" * 43
COOKIE = f"Cookie: __Host-session={HANDLE}"
SUBREQUEST = "GET /forward-auth"


@pytest.fixture(scope="module")
def auth(signing_key: SigningKey) -> AuthStandIn:
    return AuthStandIn(signing_key, handles={hash_of(HANDLE)})


@pytest.fixture(scope="module")
def forward_auth_gateway(auth: AuthStandIn, make_app: MakeApp) -> Iterator[RunningGateway]:
    """A gateway with forward-auth on its public address."""
    auth_service = RawUpstream()
    auth_service.begin(auth.answer)
    app = make_app(AUTH_URL=auth_service.url, GATEWAY_FORWARD_AUTH="public", ALLOWED_ORIGINS="https://app.example")
    with running(app) as served:
        yield served
    auth_service.stop()


def send(gateway: RunningGateway, line: str, *fields: str) -> RawResponse:
    with gateway.connect() as client:
        return client.request(f"{line} HTTP/1.1", "Host: gateway", *fields)


def nginx(method: str, target: str) -> tuple[str, ...]:
    """Return the fields by which nginx describes the original request, as configured in docs/forward-auth.md."""
    return f"X-Original-Method: {method}", f"X-Original-URI: {target}"


def traefik(method: str, target: str) -> tuple[str, ...]:
    """Return the fields by which Traefik and Caddy describe the original request."""
    return f"X-Forwarded-Method: {method}", f"X-Forwarded-Uri: {target}", "X-Forwarded-Host: app.example"


def as_nginx(gateway: RunningGateway, method: str, target: str, *fields: str) -> RawResponse:
    return send(gateway, SUBREQUEST, *nginx(method, target), *fields)


def as_traefik(gateway: RunningGateway, method: str, target: str, *fields: str) -> RawResponse:
    return send(gateway, SUBREQUEST, *traefik(method, target), *fields)


def as_envoy(gateway: RunningGateway, method: str, target: str, *fields: str) -> RawResponse:
    return send(gateway, f"{method} /forward-auth{target}", "Content-Length: 0", *fields)


AsProxy = Callable[..., RawResponse]
PROXIES = pytest.mark.parametrize("as_proxy", [as_nginx, as_traefik, as_envoy])


@PROXIES
def test_an_admitted_request_gets_the_identity_for_its_service(
    forward_auth_gateway: RunningGateway, token: str, as_proxy: AsProxy
) -> None:
    """The assertion is for the upstream of the route. Identity fields of the client are ignored."""
    answer = as_proxy(
        forward_auth_gateway, "POST", "/api/notes?q=%2F", f"Authorization: Bearer {token}", "X-Identity: forged"
    )
    assert (answer.status, answer.body, answer.get("cache-control")) == (200, b"", "no-store")
    key = verification_key(IDENTITY_SECRET)
    identity = verify(answer.get("x-identity") or "", key=key, audience="notes", now=time.time())
    assert (identity.subject, identity.session, identity.roles) == ("ada-id", "ada-session", ("user", "staff"))
    assert [answer.get(name) for name in IDENTITY_FIELDS[1:]] == [
        "ada-id",
        "ada@example.org",
        "user staff",
        "ada-session",
    ]


@PROXIES
@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("GET", "/api/notes", 401, "no_credentials"),
        ("GET", "/unknown/else", 404, "not_found"),
        ("DELETE", "/by-method/x", 405, "method_not_allowed"),
        ("GET", "/api/../staff/", 400, "bad_path"),
        ("GET", "/api/%2e%2e/staff/", 400, "bad_path"),
        ("GET", "//api/", 400, "bad_path"),
        ("GET", "/api;x/", 400, "bad_path"),
    ],
)
def test_a_refusal_is_the_same_as_for_a_forwarded_request(
    forward_auth_gateway: RunningGateway, as_proxy: AsProxy, method: str, target: str, status: int, code: str
) -> None:
    """The original path is matched byte for byte."""
    answer = as_proxy(forward_auth_gateway, method, target)
    assert (answer.status, f'"code": "{code}"' in answer.body.decode()) == (status, True)
    forwarded = send(forward_auth_gateway, f"{method} {target}")
    assert (forwarded.status, forwarded.problem["code"]) == (status, code)
    for name in ("www-authenticate", "allow"):
        assert answer.get(name) == forwarded.get(name)
    assert all(answer.get(name) is None for name in IDENTITY_FIELDS)


def test_a_missing_role_is_refused(forward_auth_gateway: RunningGateway, signing_key: SigningKey) -> None:
    plain = signing_key.sign(access_claims(time.time(), roles="user"))
    answer = as_nginx(forward_auth_gateway, "GET", "/staff/", f"Authorization: Bearer {plain}")
    assert (answer.status, "insufficient_scope" in (answer.get("www-authenticate") or "")) == (403, True)


@PROXIES
@pytest.mark.parametrize("target", ["/public/x", "/foreign/x"])
def test_without_an_identity_every_identity_field_is_empty(
    forward_auth_gateway: RunningGateway, token: str, as_proxy: AsProxy, target: str
) -> None:
    """A proxy that copies these fields then overwrites those of the client."""
    answer = as_proxy(forward_auth_gateway, "GET", target, f"Authorization: Bearer {token}", "X-User-Id: root")
    assert answer.status == 200
    assert [answer.get(name) for name in IDENTITY_FIELDS] == [""] * len(IDENTITY_FIELDS)


def test_refreshed_tokens_are_in_the_response(forward_auth_gateway: RunningGateway, signing_key: SigningKey) -> None:
    expired = signing_key.sign(access_claims(time.time() - 600))
    answer = as_nginx(
        forward_auth_gateway, "GET", "/api/x", f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh"
    )
    assert (answer.status, answer.get("x-refresh-token")) == (200, "successor")
    assert (answer.get("x-access-token") or "").startswith("eyJ")
    assert answer.get_all("cache-control") == ["no-store"]
    assert answer.get("x-user-id") == "ada-id"


def test_a_session_cookie_is_checked_against_the_forwarded_host(forward_auth_gateway: RunningGateway) -> None:
    """The Host of the proxy's own request is not that of the page."""
    assert as_traefik(forward_auth_gateway, "GET", "/api/x", COOKIE).get("x-user-id") == "ada-id"
    assert as_traefik(forward_auth_gateway, "POST", "/api/x", COOKIE).status == 403
    ours = ("X-Requested-With: app", "Origin: http://app.example")
    assert as_traefik(forward_auth_gateway, "POST", "/api/x", COOKIE, *ours).status == 200
    foreign = ("X-Requested-With: app", "Origin: http://gateway")
    assert as_traefik(forward_auth_gateway, "POST", "/api/x", COOKIE, *foreign).status == 403


@pytest.mark.parametrize(("scheme", "status"), [("https", 200), ("wss", 200), ("http", 403), ("", 403)])
def test_the_gateways_own_origin_has_the_forwarded_scheme(
    forward_auth_gateway: RunningGateway, scheme: str, status: int
) -> None:
    """The scheme is a part of an origin (RFC 6454 4)."""
    original = ("X-Forwarded-Method: POST", "X-Forwarded-Uri: /api/x", "X-Forwarded-Host: shop.example")
    proto = [f"X-Forwarded-Proto: {scheme}"] if scheme else []
    page = ("X-Requested-With: app", "Origin: https://shop.example")
    assert send(forward_auth_gateway, SUBREQUEST, *original, *proto, COOKIE, *page).status == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://app.example", 200), ("https://app.example", 200), ("http://evil.example", 403), ("", 403)],
)
def test_the_origin_of_a_websocket_handshake_with_a_cookie_is_checked(
    forward_auth_gateway: RunningGateway, origin: str, status: int
) -> None:
    """RFC 6455 10.2. The proxy does not pass on Upgrade, so Sec-WebSocket-Key marks the handshake."""
    handshake = ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *([f"Origin: {origin}"] if origin else []))
    assert as_traefik(forward_auth_gateway, "GET", "/api/x", COOKIE, *handshake).status == status


@pytest.mark.parametrize(
    ("path", "method", "fields"),
    [
        (b"/forward-auth", "GET", [(b"x-original-method", b"POST"), (b"x-original-uri", b"/api/x?secret=1")]),
        (b"/forward-auth", "GET", [(b"x-forwarded-method", b"POST"), (b"x-forwarded-uri", b"/api/x")]),
        (b"/forward-auth/api/x", "POST", []),
    ],
)
def test_the_access_log_has_the_same_path_for_every_proxy(
    path: bytes, method: str, fields: list[tuple[bytes, bytes]]
) -> None:
    lines: list[str] = []
    log = AccessLog(time.time, lines.append)
    request = Request("id", method, path, b"", fields, "1.1", "192.0.2.1", "http", None)
    log.add(logged_request(original_request(request)), RequestRecord(), 200, 0.001)
    log.flush()
    (line,) = map(json.loads, lines)
    assert (line["method"], line["path"], line["client"]) == ("POST", "/forward-auth/api/x", "192.0.2.1")


VALID = nginx("GET", "/public/")


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (SUBREQUEST, ()),
        (SUBREQUEST, VALID[:1]),
        (SUBREQUEST, VALID[1:]),
        (SUBREQUEST, (*VALID, *traefik("GET", "/api/"))),
        (SUBREQUEST, (*VALID, *traefik("POST", "/public/"))),
        (SUBREQUEST, (*VALID, "X-Forwarded-Uri: /public/")),
        (SUBREQUEST, (*VALID, "X-Forwarded-Method: GET")),
        (SUBREQUEST, (*VALID, "X-Original-URI: /public/")),
        (SUBREQUEST, (*VALID, "X-Original-Method: GET")),
        (SUBREQUEST, (VALID[0], "X-Forwarded-Uri: /public/")),
        (SUBREQUEST, (*VALID, "X-Forwarded-Host: a", "X-Forwarded-Host: b")),
        (SUBREQUEST, nginx('GET", "x": "', "/public/")),
        (SUBREQUEST, nginx("", "/public/")),
        (SUBREQUEST, nginx("GET", "")),
        (SUBREQUEST, nginx("GET", "http://h/public/")),
        (SUBREQUEST, nginx("GET", "/public/ x")),
        (f"{SUBREQUEST}/public/", nginx("GET", "/api/")),
        (f"{SUBREQUEST}/public/", nginx("POST", "/public/")),
        (f"{SUBREQUEST}/", VALID),
    ],
)
def test_a_missing_or_ambiguous_original_request_is_refused(
    forward_auth_gateway: RunningGateway, line: str, fields: tuple[str, ...]
) -> None:
    assert send(forward_auth_gateway, line, *fields).status == 400


def test_a_list_of_forwarded_hosts_is_accepted(forward_auth_gateway: RunningGateway, token: str) -> None:
    """Several proxies in a row write such a list. The host matters only if there is an Origin to compare."""
    fields = ("X-Forwarded-Method: GET", "X-Forwarded-Uri: /api/x", "X-Forwarded-Host: app.example, inner:80")
    assert send(forward_auth_gateway, SUBREQUEST, *fields, f"Authorization: Bearer {token}").status == 200


def test_the_same_original_request_may_be_given_twice(forward_auth_gateway: RunningGateway) -> None:
    assert send(forward_auth_gateway, SUBREQUEST, *VALID, *traefik("GET", "/public/")).status == 200
    assert send(forward_auth_gateway, f"{SUBREQUEST}/public/?x", *nginx("GET", "/public/?x")).status == 200


def test_a_preflight_gets_no_2xx_response(forward_auth_gateway: RunningGateway) -> None:
    """The 204 for a preflight would tell the proxy to forward the OPTIONS request."""
    preflight = ("Origin: https://app.example", "Access-Control-Request-Method: POST")
    assert as_envoy(forward_auth_gateway, "OPTIONS", "/api/x", *preflight).status == 401


def test_the_body_of_a_subrequest_is_not_read(forward_auth_gateway: RunningGateway) -> None:
    """If there is a Content-Length, the connection is closed after the response."""
    answer = send(forward_auth_gateway, "POST /forward-auth/public/", "Content-Length: 10")
    assert (answer.status, answer.get("connection")) == (200, "close")


def test_forward_auth_is_not_public_by_default(gateway: RunningGateway, token: str) -> None:
    """Without the setting, no client can get an identity assertion."""
    answer = as_nginx(gateway, "GET", "/api/x", f"Authorization: Bearer {token}")
    assert (answer.status, answer.get("x-identity")) == (404, None)


LIMITED = """
[upstreams.notes]
urls = ["${RESOURCE_URL}"]
identity = false
[[routes]]
prefix = "/limited/"
upstream = "notes"
access = "public"
limits = [{ per = "address", rate = "2/hour" }]
"""


def test_rate_limits_count_the_client_behind_a_trusted_proxy(make_app: MakeApp, tmp_path: Path) -> None:
    """The proxy is in TRUSTED_PROXIES, and the client's address is the last one in X-Forwarded-For."""
    (tmp_path / "routes.toml").write_text(LIMITED)
    settings = {"GATEWAY_ROUTES": str(tmp_path / "routes.toml"), "GATEWAY_FORWARD_AUTH": "public"}
    first, spoofing, other = ("10.9.8.7", "10.9.8.6, 10.9.8.7", "10.9.8.7, 10.9.8.6")
    with running(make_app(TRUSTED_PROXIES="127.0.0.1", **settings)) as forward_auth_gateway:
        statuses = [
            as_nginx(forward_auth_gateway, "GET", "/limited/", f"X-Forwarded-For: {client}").status
            for client in (first, first, first, spoofing, other)
        ]
        refused = as_nginx(forward_auth_gateway, "GET", "/limited/", f"X-Forwarded-For: {first}")
    assert statuses == [200, 200, 429, 429, 200]
    assert refused.get("retry-after") is not None
