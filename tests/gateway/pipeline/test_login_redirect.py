"""`login = "redirect"`: a browser without a session is redirected to the log-in page; every other client gets 401."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pipeline.login_redirect import MAX_LOCATION_BYTES, login_location
from tests.clocks import MovableClock
from tests.gateway.access_tokens import SigningKey
from tests.gateway.browser import COOKIE, UNKNOWN_HANDLE, log_in_for_cookie, send
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawResponse
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.routes_toml import AUTH_UPSTREAM, NOTES_UPSTREAM, route_table, routes_toml
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import AuthStandIn, serving

ROUTES = routes_toml(
    AUTH_UPSTREAM,
    NOTES_UPSTREAM,
    route_table("/auth/", "public", upstream="auth"),
    route_table("/", login="redirect"),
    route_table("/staff/", ["admin"], login="redirect"),
    route_table("/queued/", login="redirect", max_concurrent=1),
    route_table("/ws/", login="redirect", websocket=True),
    route_table("/streams/", login="redirect", streams=True),
    route_table("/api/"),
)
NAVIGATION = ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-Site: none")
FROM_OTHER_SITE = ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-Site: cross-site")
ENDED = f"Cookie: {COOKIE}={UNKNOWN_HANDLE}"


@pytest.fixture(scope="module")
def auth(signing_key: SigningKey) -> AuthStandIn:
    return AuthStandIn(signing_key)


@pytest.fixture(scope="module")
def auth_server(auth: AuthStandIn) -> Iterator[RawUpstream]:
    with serving(auth) as server:
        yield server


@pytest.fixture(scope="module")
def gateway_clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="module")
def gateway(
    auth_server: RawUpstream,
    make_app: MakeApp,
    auth: AuthStandIn,
    gateway_clock: MovableClock,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningGateway]:
    file = tmp_path_factory.mktemp("login") / "routes.toml"
    file.write_text(ROUTES)
    auth.clock = gateway_clock
    settings = {"AUTH_URL": auth_server.url, "GATEWAY_ROUTES": str(file), "RATE_LIMITS": "off"}
    with running(make_app(gateway_clock, **settings, GATEWAY_FORWARD_AUTH="public")) as served:
        yield served


def next_in(response: RawResponse) -> str:
    """Return the value of `next` in the redirect to the log-in page, as the page reads it."""
    assert response.status == 303, response
    location = urlsplit(response.get("location") or "")
    assert (location.scheme, location.netloc, location.path) == ("", "", "/auth/login/")
    (value,) = parse_qs(location.query, strict_parsing=True)["next"]
    return value


# --- who is redirected ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/d/abc",
        "/d/abc?orgId=1&from=now-6h&var-x=a%2Fb",
        "/a%20b/%C3%A9?q=1+2&r=%2B",
        "/search?u=https://evil.example/&v=//evil.example",
        "/d?next=/d%3Fnext%3D/x",
        "/d?a=%2500&%0d%0aSet-Cookie:x=y",
        "/d?q='\"<script>&x=|{}",
    ],
)
def test_a_navigation_is_redirected_and_next_is_the_target_as_it_was_sent(
    gateway: RunningGateway, target: str
) -> None:
    """`next` is encoded once, so that the log-in page reads exactly what the browser requested."""
    response = send(gateway, f"GET {target}", *NAVIGATION)
    assert next_in(response) == target
    assert response.get("cache-control") == "no-store"
    assert "Sec-Fetch-Mode" in " ".join(response.get_all("vary"))
    assert response.body == b""
    assert response.get("www-authenticate") is None


@pytest.mark.parametrize(
    "target",
    [
        *(
            "//evil.example",
            "//evil.example/d",
            "/\\evil.example",
            "/\\/evil.example",
            "/%5cevil.example",
            "/%2fevil.example",
        ),
        *(
            "/./evil",
            "/../evil",
            "/a//b",
            "/%09/evil.example",
            "/%0d%0aLocation:x",
            "/;//evil",
            "/a\tb",
            "\\evil",
            "evil",
        ),
    ],
)
def test_a_target_that_a_browser_could_take_for_another_host_is_refused(gateway: RunningGateway, target: str) -> None:
    response = send(gateway, f"GET {target}", *NAVIGATION)
    assert (response.status, response.get("location")) == (400, None)


def test_a_target_in_absolute_form_leads_back_to_its_path(gateway: RunningGateway) -> None:
    with gateway.connect() as client:
        response = client.request("GET http://evil.example/d?x=1 HTTP/1.1", "Host: evil.example", *NAVIGATION)
    assert next_in(response) == "/d?x=1"


def test_a_browser_with_the_password_of_another_proxy_is_redirected(gateway: RunningGateway) -> None:
    """The gateway reads no Basic credentials, which a browser still sends after its site has moved here."""
    assert next_in(send(gateway, "GET /d", "Authorization: Basic YTpi", *NAVIGATION)) == "/d"


def test_head_is_redirected_like_get(gateway: RunningGateway) -> None:
    assert next_in(send(gateway, "HEAD /d/abc", *NAVIGATION)) == "/d/abc"


def test_the_session_cookie_of_an_ended_session_is_cleared_on_the_way(gateway: RunningGateway) -> None:
    response = send(gateway, "GET /d/abc", ENDED, *NAVIGATION)
    assert next_in(response) == "/d/abc"
    malformed = send(gateway, "GET /d/abc", f"Cookie: {COOKIE}=x", *NAVIGATION)
    assert next_in(malformed) == "/d/abc"
    assert f"{COOKIE}=;" in (malformed.get("set-cookie") or "")


@pytest.mark.parametrize(
    "fields",
    [
        ("Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"),
        ("Accept: application/json",),
        (),
        (*NAVIGATION, "Sec-Purpose: prefetch"),
        (*NAVIGATION, "Authorization: Bearer x.y.z"),
        (*NAVIGATION, "authorization: bearer"),
        (*NAVIGATION, "X-Refresh-Token: abc"),
        (*NAVIGATION, "Authorization: Bearer x.y.z", ENDED),
    ],
)
def test_every_other_request_gets_the_401(gateway: RunningGateway, fields: tuple[str, ...]) -> None:
    with gateway.connect() as client:
        for _ in range(3):  # parsed, cached, and found in the cache
            response = client.request("GET /d/abc HTTP/1.1", "Host: gateway", *fields)
            assert response.status == 401
            assert response.problem["status"] == 401
            assert response.get("location") is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_form_that_is_sent_without_a_session_gets_the_401(gateway: RunningGateway, method: str) -> None:
    assert send(gateway, f"{method} /d/abc", *NAVIGATION).status == 401


def test_a_websocket_gets_the_401(gateway: RunningGateway) -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    for mode in ("Sec-Fetch-Mode: websocket", "Accept: text/html", "Sec-Fetch-Mode: navigate"):
        assert send(gateway, "GET /ws/x", *upgrade, key, mode, "Origin: https://gateway").status == 401


def test_a_ticket_gets_the_401_and_reaches_no_url(gateway: RunningGateway) -> None:
    response = send(gateway, "GET /streams/x?ticket=made-up", *NAVIGATION)
    assert (response.status, response.get("location")) == (401, None)


def test_a_route_without_the_option_gets_the_401(gateway: RunningGateway) -> None:
    assert send(gateway, "GET /api/x", *NAVIGATION).status == 401


def test_another_proxy_gets_the_401_of_its_subrequest(gateway: RunningGateway) -> None:
    """nginx passes on 401 and 403, and turns every other refusal into a 500."""
    original = ("X-Original-Method: GET", "X-Original-URI: /d/abc")
    assert send(gateway, "GET /forward-auth", *original, *NAVIGATION).status == 401


def test_a_missing_role_is_no_reason_to_log_in_again(gateway: RunningGateway) -> None:
    """A redirect would end in a loop: the log-in page sends a user with a session back."""
    assert send(gateway, "GET /staff/x", log_in_for_cookie(gateway), *NAVIGATION).status == 403


def test_an_outage_is_no_reason_to_log_in_again(gateway: RunningGateway, auth: AuthStandIn) -> None:
    auth.down = True
    try:
        assert send(gateway, "GET /d/abc", f"Cookie: {COOKIE}={'v' * 43}", *NAVIGATION).status == 503
    finally:
        auth.down = False


def test_the_log_in_page_is_not_redirected_to_itself(make_app: MakeApp, tmp_path: Path) -> None:
    """Its own route is checked at the start; an app behind the same gateway may have the URL of another host."""
    (tmp_path / "routes.toml").write_text(ROUTES)
    app = make_app(
        GATEWAY_ROUTES=str(tmp_path / "routes.toml"), LOGIN_URL="https://gateway.example/sign-in/?theme=dark"
    )
    with running(app) as gateway:
        for path in ("/sign-in/", "/sign-in", "/sign-in/?next=/x"):
            assert send(gateway, f"GET {path}", *NAVIGATION).status == 401
        location = send(gateway, "GET /d/abc?x=1", *NAVIGATION).get("location")
        assert location == "https://gateway.example/sign-in/?theme=dark&next=/d/abc%3Fx%3D1"


# --- sessions that end while they are used --------------------------------------------------------------------------


def test_log_in_use_log_out_and_the_redirect_again(gateway: RunningGateway, upstream: RawUpstream) -> None:
    cookie = log_in_for_cookie(gateway)
    with gateway.connect() as client:
        for _ in range(3):
            assert client.request("GET /d/abc HTTP/1.1", "Host: gateway", cookie, *NAVIGATION).status == 200
        out = ("X-Requested-With: app", "Sec-Fetch-Site: same-origin")
        assert client.request("DELETE /session/ HTTP/1.1", "Host: gateway", cookie, *out).status == 204
        for _ in range(3):
            assert next_in(client.request("GET /d/abc HTTP/1.1", "Host: gateway", cookie, *NAVIGATION)) == "/d/abc"
        assert client.request("GET /d/abc HTTP/1.1", "Host: gateway", cookie).status == 401


def test_a_session_that_ended_elsewhere_is_redirected_when_its_token_expires(
    gateway: RunningGateway, auth: AuthStandIn, gateway_clock: MovableClock, upstream: RawUpstream
) -> None:
    cookie = log_in_for_cookie(gateway)
    assert send(gateway, "GET /d/abc", cookie, *NAVIGATION).status == 200
    auth.handles.clear()
    gateway_clock.move(auth.lifetime + 1)
    assert next_in(send(gateway, "GET /d/abc?x=1", cookie, *NAVIGATION)) == "/d/abc?x=1"
    assert send(gateway, "GET /d/abc?x=1", cookie, "Sec-Fetch-Mode: cors").status == 401


# --- SameSite=Strict ------------------------------------------------------------------------------------------------


def test_a_link_of_another_site_gets_a_page_that_loads_itself_again(gateway: RunningGateway) -> None:
    """The browser sent no SameSite=Strict cookie, so the user may be logged in."""
    response = send(gateway, "GET /d/abc?x=1&y='\"><script>alert(1)</script>", *FROM_OTHER_SITE)
    assert response.status == 401
    assert response.get("content-type") == "text/html; charset=utf-8"
    assert response.get("cache-control") == "no-store"
    assert "default-src 'none'" in (response.get("content-security-policy") or "")
    url = b"/d/abc?x=1&amp;y=&#x27;&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"
    assert b'<meta http-equiv="refresh" content="0;url=%b">' % url in response.body
    assert b"<script>" not in response.body


@pytest.mark.parametrize(
    "fields",
    [
        ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-Site: same-origin"),
        ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-Site: same-site"),
        ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", "Sec-Fetch-Site: cross-site"),
        (*FROM_OTHER_SITE, ENDED),
    ],
)
def test_a_page_that_loaded_itself_again_is_redirected(gateway: RunningGateway, fields: tuple[str, ...]) -> None:
    assert next_in(send(gateway, "GET /d/abc", *fields)) == "/d/abc"


# --- the URL of the log-in page -------------------------------------------------------------------------------------


def test_a_target_that_is_too_long_loses_its_query_and_then_next() -> None:
    assert login_location("/auth/login/", b"/d", b"x" * 2_970) == "/auth/login/?next=/d%3F" + "x" * 2_970
    assert login_location("/auth/login/", b"/d", b"x" * 2_980) == "/auth/login/?next=/d"
    assert login_location("/auth/login/", b"/d", b"%20" * 600) == "/auth/login/?next=/d"
    assert login_location("/auth/login/", b"/" + b"x" * 4_000, b"") == "/auth/login/"


@given(
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=300),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=3_000),
)
def test_any_target_is_one_value_in_a_short_url(path: str, query: str) -> None:
    location = login_location("/auth/login/?a=b", b"/" + path.encode(), query.encode())
    assert len(location) <= MAX_LOCATION_BYTES
    parts = urlsplit(location)
    assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("", "", "/auth/login/", "")
    target = f"/{path}?{query}" if query else f"/{path}"
    assert parse_qs(parts.query, strict_parsing=True) in (
        {"a": ["b"], "next": [target]},
        {"a": ["b"], "next": [f"/{path}"]},
    )
