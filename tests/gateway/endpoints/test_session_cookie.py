"""The session cookie: beside other credentials, malformed, sent twice, and of an ended session."""

import json
import secrets
import time
from collections.abc import Iterator

import pytest

from contract.internal_api import EXCHANGE_PATH
from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.browser import COOKIE, SAME_ORIGIN, UNKNOWN_HANDLE, handle_in, log_in, send
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawResponse
from tests.gateway.raw_upstream import RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import AuthStandIn, hash_of

FOREIGN = "eyJ1c2VyIjoxfQ.aSg.x"
"""The cookie value of another Flask application on the same host."""


@pytest.fixture(scope="module")
def auth_server(signing_key: SigningKey) -> Iterator[RawUpstream]:
    auth_server = RawUpstream()
    auth_server.begin(AuthStandIn(signing_key).answer)
    yield auth_server
    auth_server.stop()


@pytest.fixture(scope="module")
def gateway(auth_server: RawUpstream, make_app: MakeApp) -> Iterator[RunningGateway]:
    with running(make_app(AUTH_URL=auth_server.url)) as served:
        yield served


@pytest.fixture
def auth(auth_server: RawUpstream, gateway: RunningGateway, signing_key: SigningKey) -> Iterator[AuthStandIn]:
    """The auth service of one test, behind the gateway that all tests of this module share."""
    auth = AuthStandIn(signing_key)
    auth_server.begin_answering(auth.answer)
    yield auth
    auth.down = False


@pytest.fixture(autouse=True)
def upstream(auth: AuthStandIn, shared_upstream: RawUpstream) -> RawUpstream:
    shared_upstream.begin()
    return shared_upstream


def is_cleared(response: RawResponse) -> bool:
    cookies = [cookie for cookie in response.get_all("set-cookie") if cookie.startswith(f"{COOKIE}=;")]
    return len(cookies) == 1 and {"Max-Age=0", "Path=/", "Secure", "HttpOnly"} <= set(cookies[0].split("; "))


# --- beside a token -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/x", "/auth/users/me/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_cookie_beside_a_bearer_token_is_ignored(
    gateway: RunningGateway, upstream: RawUpstream, signing_key: SigningKey, method: str, path: str
) -> None:
    """No other site can send a Bearer token, so the origin is not checked either."""
    bob = signing_key.sign(access_claims(time.time(), sub="bob-id", sid="bobs", exp=int(time.time()) + 3_000))
    cookie = f"Cookie: {COOKIE}={handle_in(log_in(gateway))}"
    response = send(gateway, f"{method} {path}", cookie, f"Authorization: Bearer {bob}")
    assert (response.status, response.get("set-cookie")) == (200, None)
    if path == "/api/x":
        assert upstream.last.get("x-user-id") == "bob-id"
    else:
        assert json.loads(response.body) == {"authorization": f"Bearer {bob}", "cookie": None}


@pytest.mark.parametrize("value", ["Bearer", "Bearer a.b.c", "Bearer\ta"])
def test_a_valid_cookie_does_not_replace_an_invalid_token(gateway: RunningGateway, value: str) -> None:
    cookie = f"Cookie: {COOKIE}={handle_in(log_in(gateway))}"
    response = send(gateway, "GET /api/x", cookie, f"Authorization: {value}")
    assert (response.status, response.problem["code"], response.get("set-cookie")) == (401, "token_invalid", None)


def test_a_cookie_beside_another_authorization_scheme_is_used(gateway: RunningGateway) -> None:
    """A proxy in front may require Basic credentials. Other sites can send those, so unsafe methods are checked."""
    cookie = f"Cookie: {COOKIE}={handle_in(log_in(gateway))}"
    basic = "Authorization: Basic YTpi"
    assert send(gateway, "GET /api/x", cookie, basic).status == 200
    assert send(gateway, "POST /api/x", cookie, basic, body=b"x").problem["code"] == "cross_site"
    assert send(gateway, "POST /api/x", cookie, basic, *SAME_ORIGIN, body=b"x").status == 200


@pytest.mark.parametrize("value", [UNKNOWN_HANDLE, "", FOREIGN])
def test_the_cookie_of_an_ended_session_beside_a_valid_token_is_cleared(
    gateway: RunningGateway, auth: AuthStandIn, token: str, value: str
) -> None:
    fields = f"Cookie: {COOKIE}={value}", f"Authorization: Bearer {token}"
    for line in ("GET /api/x", "POST /api/x", "GET /auth/users/me/"):
        assert send(gateway, line, *fields).status == 200
    deadline = time.monotonic() + 30  # meanwhile the gateway exchanges the handle
    while not is_cleared(send(gateway, "GET /api/x", *fields)) and time.monotonic() < deadline:
        time.sleep(0.005)
    auth.down = True
    for line in ("GET /api/x", "POST /api/x"):
        response = send(gateway, line, *fields)
        assert (response.status, is_cleared(response)) == (200, True)


def test_a_valid_token_does_not_wait_for_the_lookup_of_the_cookie(
    gateway: RunningGateway, auth: AuthStandIn, token: str
) -> None:
    """The auth service may be slow or down; one lookup of a handle runs at a time."""
    fields = f"Cookie: {COOKIE}={'w' * 43}", f"Authorization: Bearer {token}"
    auth.holds_responses = True
    assert [send(gateway, "GET /api/x", *fields).status for _ in range(3)] == [200] * 3
    assert auth.count(EXCHANGE_PATH) <= 1
    auth.down, auth.holds_responses = True, False
    assert send(gateway, "GET /api/x", *fields).status == 200


# --- at endpoints that need no session (contract/anonymous_endpoints.py) --------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "POST /auth/jwt/create/",
        "POST /auth/jwt/create",
        "POST /auth/jwt/refresh/",
        "POST /auth/jwt/verify/",
        "POST /auth/jwt/blacklist/",
        "POST /auth/users/",
    ],
)
@pytest.mark.parametrize("kind", ["live", "dead", "foreign", "twice"])
def test_session_cookies_are_ignored_at_anonymous_endpoints(
    gateway: RunningGateway, auth: AuthStandIn, line: str, kind: str
) -> None:
    handle = handle_in(log_in(gateway))
    value = {"live": handle, "dead": UNKNOWN_HANDLE, "foreign": FOREIGN, "twice": f"{handle}; {COOKIE}=x"}[kind]
    auth.refresh_tokens.add("")  # so that the refresh succeeds as well
    response = send(gateway, line, f"Cookie: theme=dark; {COOKIE}={value}", body=b'{"refresh": ""}')
    assert (response.status, auth.count(EXCHANGE_PATH)) == (200, 0)
    if not line.startswith("POST /auth/jwt/refresh"):
        assert json.loads(response.body) == {"authorization": None, "cookie": "theme=dark"}


# --- how a cookie is read -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", ["; ", ";", "\r\nCookie: "])
@pytest.mark.parametrize("line", ["GET /api/x", "GET /session/", "DELETE /session/", "POST /session/ticket"])
def test_two_session_cookies_are_refused(
    gateway: RunningGateway, auth: AuthStandIn, line: str, separator: str
) -> None:
    """Otherwise a log-out could respond 204 without ending the session."""
    handle = handle_in(log_in(gateway))
    for values in ((handle, UNKNOWN_HANDLE), (UNKNOWN_HANDLE, handle), (handle, handle), (handle, "")):
        cookie = separator.join(f"{COOKIE}={value}" for value in values)
        response = send(gateway, line, f"Cookie: {cookie}", *SAME_ORIGIN)
        assert (response.status, response.problem["code"], response.get("set-cookie")) == (
            400,
            "multiple_credentials",
            None,
        )
    assert hash_of(handle) in auth.handles


@pytest.mark.parametrize(
    ("form", "is_read"),
    [
        ("{name}={handle}", True),
        ("a=b;{name}={handle};c", True),
        ("a=b\r\nCookie: {name}={handle}", True),
        ('a="x; {name}={handle}', True),
        ('$Version=1; {name}={handle}; $Path="/"', True),
        ('bad="; =; ;;{{"a": 1, "b"}}; é=\x80; {name}={handle}', True),
        ('{name}="{handle}"', False),
        ("{name}= {handle}", False),
        ("{name} ={handle}", False),
        ("{name}={handle}=", False),
        ("{name}={handle}, a=b", False),
        ("{upper}={handle}", False),
        ("%5F_Host-session={handle}", False),
        ("={name}={handle}", False),
    ],
)
def test_routes_and_endpoints_parse_cookies_alike(
    gateway: RunningGateway, auth: AuthStandIn, form: str, is_read: bool
) -> None:
    """RFC 6265: quotes are part of a value, names are case-sensitive, and other cookies may be malformed."""
    field = form.format(name=COOKIE, upper=COOKIE.upper(), handle=handle_in(log_in(gateway)))
    statuses = [send(gateway, line, f"Cookie: {field}").status for line in ("GET /api/x", "GET /session/")]
    assert statuses == ([200, 200] if is_read else [401, 401])
    assert send(gateway, "DELETE /session/", f"Cookie: {field}", *SAME_ORIGIN).status == 204
    assert len(auth.handles) == (0 if is_read else 1)


# --- when it is cleared ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [UNKNOWN_HANDLE, "", FOREIGN, '"quoted"'])
@pytest.mark.parametrize("line", ["GET /api/x", "GET /session/", "GET /auth/users/me/", "POST /session/ticket"])
def test_a_malformed_cookie_and_that_of_an_ended_session_are_cleared(
    gateway: RunningGateway, line: str, value: str
) -> None:
    response = send(gateway, line, f"Cookie: {COOKIE}={value}", *SAME_ORIGIN)
    if not line.startswith("GET /auth"):  # the auth service itself responds there
        assert (response.status, response.problem["code"]) == (401, "session_ended")
    assert is_cleared(response)


def test_a_response_that_races_with_a_log_in_does_not_clear_the_cookie(gateway: RunningGateway) -> None:
    """The response may reach the browser after the new cookie."""
    cookie = f"Cookie: {COOKIE}={handle_in(log_in(gateway))}"
    assert send(gateway, "DELETE /session/", cookie, *SAME_ORIGIN).status == 204
    for line in ("GET /api/x", "GET /session/", "GET /auth/users/me/"):
        assert COOKIE not in str(send(gateway, line, cookie).get_all("set-cookie"))


@pytest.mark.parametrize("line", ["GET /api/x", "GET /session/", "GET /auth/users/me/", "POST /session/ticket"])
@pytest.mark.parametrize(("seconds_ago", "cleared"), [(0.0, False), (9.9, False), (10.1, True), (None, True)])
def test_an_ended_session_that_this_worker_never_saw_clears_the_cookie_after_ten_seconds(
    gateway: RunningGateway, auth: AuthStandIn, line: str, seconds_ago: float | None, *, cleared: bool
) -> None:
    """Another worker may have handled the log-in that ended the session. None is an unknown time."""
    auth.ended_seconds_ago = seconds_ago
    old = secrets.token_urlsafe(32)
    assert is_cleared(send(gateway, line, f"Cookie: {COOKIE}={old}", *SAME_ORIGIN)) is cleared


@pytest.mark.parametrize("body", [b"<html>not here</html>", b"{}"])
def test_an_unexpected_response_of_the_auth_service_does_not_clear_the_cookie(
    gateway: RunningGateway, auth_server: RawUpstream, body: bytes
) -> None:
    """A 404 from another server at its address does not mean that the session has ended."""
    auth_server.begin_answering(answering(ok(body).replace(b"200 OK", b"404 Not Found", 1)))
    response = send(gateway, "GET /api/x", f"Cookie: {COOKIE}={'f' * 43}")
    assert (response.status, response.get("set-cookie")) == (503, None)
