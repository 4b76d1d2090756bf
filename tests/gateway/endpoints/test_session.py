"""/session/: a page logs in, reads its session and logs out, without receiving a token."""

import json
import time
from collections.abc import Iterator

import pytest

from contract.device_cookie import DEVICE_COOKIE
from contract.internal_api import END_PATH, SESSIONS_PATH
from tests.gateway.access_tokens import SigningKey
from tests.gateway.browser import COOKIE, SAME_ORIGIN, handle_in, log_in, log_in_for_cookie, send, session_cookie_in
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import PASSWORD, USER, AuthStandIn, hash_of, serving


@pytest.fixture
def auth(signing_key: SigningKey) -> AuthStandIn:
    return AuthStandIn(signing_key)


@pytest.fixture
def auth_server(auth: AuthStandIn) -> Iterator[RawUpstream]:
    with serving(auth) as server:
        yield server


@pytest.fixture
def gateway(auth_server: RawUpstream, upstream: RawUpstream, make_app: MakeApp) -> Iterator[RunningGateway]:
    with running(make_app(AUTH_URL=auth_server.url)) as served:
        yield served


def test_a_log_in_sets_a_cookie_and_returns_no_token(gateway: RunningGateway, auth: AuthStandIn) -> None:
    response = log_in(gateway)
    assert json.loads(response.body)["user"] == USER
    cookie = session_cookie_in(response)
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=Strict"} <= set(cookie.split("; "))
    assert len(handle_in(response)) >= 43  # 256 bits
    assert hash_of(handle_in(response)) in auth.handles
    assert b"eyJ" not in response.body
    assert "eyJ" not in str(response.fields)


def test_a_log_in_sends_the_device_cookie_to_the_auth_service_and_sets_the_new_one(
    gateway: RunningGateway, auth: AuthStandIn
) -> None:
    """The cookie is for log-ins alone. Two of them count as none."""
    first = log_in(gateway)
    cookies = [cookie for cookie in first.get_all("set-cookie") if cookie.startswith(DEVICE_COOKIE)]
    assert len(cookies) == 1
    pair, *attributes = cookies[0].split("; ")
    assert pair == f"{DEVICE_COOKIE}=token-1"
    assert {"HttpOnly", "Secure", "Path=/session/", "SameSite=Strict"} <= set(attributes)
    log_in(gateway, PASSWORD, *SAME_ORIGIN, f"Cookie: theme=dark; {pair}")
    log_in(gateway, PASSWORD, *SAME_ORIGIN, f"Cookie: {pair}; {pair}")
    assert auth.device_tokens == ["", "token-1", ""]


def test_a_wrong_password_returns_the_auth_services_own_response(gateway: RunningGateway) -> None:
    response = log_in(gateway, "wrong")
    assert (response.status, response.get("set-cookie")) == (401, None)
    assert json.loads(response.body) == {"detail": "No active account found with the given credentials"}


def test_a_throttled_log_in_returns_the_auth_services_retry_after(
    gateway: RunningGateway, auth_server: RawUpstream
) -> None:
    body = b'{"detail": "Request was throttled."}'
    throttled = ok(body, "Retry-After: 42").replace(b"200 OK", b"429 Too Many Requests", 1)
    auth_server.begin_answering(answering(throttled))
    response = log_in(gateway)
    assert (response.status, response.get("retry-after"), response.body) == (429, "42", body)


@pytest.mark.parametrize("fields", [("X-Requested-With: app",), ("Sec-Fetch-Site: same-origin",)])
def test_a_log_in_needs_the_custom_header_and_evidence_of_the_same_origin(
    gateway: RunningGateway, auth: AuthStandIn, fields: tuple[str, ...]
) -> None:
    assert log_in(gateway, PASSWORD, *fields).problem["code"] == "cross_site"
    assert auth.count(SESSIONS_PATH) == 0


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"email": 1, "password": "x"}', b'{"email": "a@b.co"}', b'{"email": "\\u0000"}']
)
def test_a_malformed_log_in_is_a_400(gateway: RunningGateway, auth: AuthStandIn, body: bytes) -> None:
    response = send(gateway, "POST /session/", "Content-Type: application/json", *SAME_ORIGIN, body=body)
    assert (response.status, auth.count(SESSIONS_PATH)) == (400, 0)


def test_a_log_in_replaces_the_session_of_its_cookie(gateway: RunningGateway, auth: AuthStandIn) -> None:
    """A malformed cookie, or two cookies, replace no session."""
    first = handle_in(log_in(gateway))
    for cookie in (f"{COOKIE}={first}", f"{COOKIE}=no handle", f"{COOKIE}={first}; {COOKIE}={first}"):
        assert log_in(gateway, PASSWORD, *SAME_ORIGIN, f"Cookie: {cookie}").status == 200
    assert auth.replaced == [None, hash_of(first), None, None]
    assert send(gateway, "GET /api/x", f"Cookie: {COOKIE}={first}").status == 401
    wrong = log_in(gateway, "wrong", *SAME_ORIGIN, f"Cookie: {COOKIE}={first}")
    assert wrong.status == 401


def test_get_returns_the_user_and_the_expiry_of_the_session(gateway: RunningGateway) -> None:
    cookie = log_in_for_cookie(gateway)
    members = json.loads(send(gateway, "GET /session/", cookie).body)
    assert members["user"] == USER
    assert members["expires_at"] > time.time()
    assert send(gateway, "GET /session/").problem["code"] == "no_credentials"


def test_a_log_out_ends_the_session_and_clears_the_cookie(gateway: RunningGateway, auth: AuthStandIn) -> None:
    cookie = log_in_for_cookie(gateway)
    response = send(gateway, "DELETE /session/", cookie, *SAME_ORIGIN)
    assert (response.status, auth.handles, auth.count(END_PATH)) == (204, set(), 1)
    assert "Max-Age=0" in (response.get("set-cookie") or "")
    after = send(gateway, "GET /api/x", cookie)
    assert (after.status, after.problem["code"], after.get("set-cookie")) == (401, "session_ended", None)
    assert send(gateway, "DELETE /session/", cookie, *SAME_ORIGIN).status == 204


def test_the_cookie_over_plain_http_has_another_name(
    auth_server: RawUpstream, upstream: RawUpstream, make_app: MakeApp
) -> None:
    with running(make_app(AUTH_URL=auth_server.url, SESSION_COOKIE_SECURE="off")) as gateway:
        cookie, device_cookie = log_in(gateway).get_all("set-cookie")
        assert cookie.startswith("sallyport-session=")
        assert device_cookie.startswith(f"{DEVICE_COOKIE}=")
        assert "Secure" not in cookie + device_cookie
        assert send(gateway, "GET /api/x", f"Cookie: {cookie.split(';')[0]}").status == 200
