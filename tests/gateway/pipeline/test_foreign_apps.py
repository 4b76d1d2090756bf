"""Apps that are not written for this gateway: identity_headers, cookies of their own, and forms."""

from collections.abc import Iterator

import pytest

from tests.gateway.access_tokens import SigningKey
from tests.gateway.browser import log_in_for_cookie, send
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawResponse
from tests.gateway.raw_upstream import RawUpstream, answering, ok
from tests.gateway.routes_toml import AUTH_UPSTREAM, route_table, routes_toml, upstream_table
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import AuthStandIn, serving

NAMED = {"Remote-User": "email", "X-Forwarded-User": "sub", "X-Forwarded-Groups": "roles", "X-Custom": "sid"}
ROUTES = routes_toml(
    AUTH_UPSTREAM,
    upstream_table("app", identity=False, break_after=0, identity_headers=NAMED),
    upstream_table("other", identity=False, break_after=0),
    route_table("/auth/", "public", upstream="auth"),
    route_table("/app/", upstream="app", forward_cookies=True, csrf="origin", websocket=True),
    route_table("/open/", "public", upstream="app", forward_headers=["X_Trace"]),
    route_table("/open-cookies/", "public", upstream="app", forward_cookies=True),
    route_table("/other/", upstream="other"),
)
SPELLINGS = [
    spelling
    for name in NAMED
    for spelling in (name, name.lower(), name.upper(), name.replace("-", "_"), name.replace("-", "."))
]
OWN_ORIGIN = "Origin: http://gateway"


@pytest.fixture(scope="module")
def auth_server(signing_key: SigningKey) -> Iterator[RawUpstream]:
    with serving(AuthStandIn(signing_key)) as server:
        yield server


@pytest.fixture(scope="module")
def served(
    auth_server: RawUpstream, make_app: MakeApp, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    file = tmp_path_factory.mktemp("apps") / "routes.toml"
    file.write_text(ROUTES)
    settings = {"AUTH_URL": auth_server.url, "GATEWAY_ROUTES": str(file), "RATE_LIMITS": "off"}
    with running(make_app(**settings, GATEWAY_FORWARD_AUTH="public")) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def session(served: RunningGateway) -> str:
    """The Cookie field of a session."""
    return log_in_for_cookie(served)


def three_times(served: RunningGateway, line: str, *fields: str, body: bytes = b"") -> list[RawResponse]:
    """Send a request that is parsed, then cached, then found in the cache."""
    with served.connect() as client:
        length = [f"Content-Length: {len(body)}"] if body else []
        return [client.request(f"{line} HTTP/1.1", "Host: gateway", *fields, *length, body=body) for _ in range(3)]


def received(upstream: RawUpstream, *names: str) -> list[dict[str, str]]:
    """Return the fields of these names in each request that the app has received."""
    return [
        {name: value for name, value in request.fields if name in {name.lower() for name in names}}
        for request in upstream.requests
    ]


def test_an_app_receives_the_claims_that_it_names(
    served: RunningGateway, upstream: RawUpstream, session: str, token: str
) -> None:
    for credentials in (session, f"Authorization: Bearer {token}"):
        assert [answer.status for answer in three_times(served, "GET /app/x", credentials)] == [200] * 3
    for fields in received(upstream, *NAMED):
        assert (fields["remote-user"], fields["x-forwarded-user"]) == ("ada@example.org", "ada-id")
        assert fields["x-forwarded-groups"] == "user,staff"
        assert fields["x-custom"]
    assert len(upstream.requests) == 6


@pytest.mark.parametrize("path", ["/app/x", "/open/x", "/open-cookies/x"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_identity_header_of_a_client_reaches_the_app(
    served: RunningGateway, upstream: RawUpstream, token: str, path: str, spelling: str
) -> None:
    """Neither on a public route of the same upstream, nor with a name that CGI and WSGI read as the same variable."""
    forged = (f"{spelling}: root", "X-Trace-Id: 1", f"{spelling}: root")
    for connection in ((), (f"Connection: {spelling}",)):
        answers = three_times(served, f"GET {path}", f"Authorization: Bearer {token}", *forged, *connection)
        assert [answer.status for answer in answers] == [200] * 3
    assert len(upstream.requests) == 6
    for request in upstream.requests:
        assert "root" not in [value for _, value in request.fields]
        assert request.get("x-trace-id") == "1"
        assert (request.get("remote-user") == "ada@example.org") == (path == "/app/x")


def test_the_headers_are_not_sent_to_other_apps(served: RunningGateway, upstream: RawUpstream, token: str) -> None:
    assert send(served, "GET /other/x", f"Authorization: Bearer {token}").status == 200
    assert received(upstream, *NAMED) == [{}]


def test_another_proxy_gets_the_headers_and_overwrites_those_of_the_client(
    served: RunningGateway, token: str
) -> None:
    """A field without a value is present as well, so that the proxy does not forward the client's."""
    for path, user in (("/app/x", "ada@example.org"), ("/open/x", "")):
        original = ("X-Original-Method: GET", f"X-Original-URI: {path}", "Remote-User: root", "X-Custom: root")
        response = send(served, "GET /forward-auth", f"Authorization: Bearer {token}", *original)
        assert (response.status, response.get("remote-user")) == (200, user)
        assert response.get("x-custom") != "root"
        assert {name.lower() for name in NAMED} <= {name for name, _ in response.fields}


def test_a_websocket_handshake_has_the_claims_and_the_cookies(
    served: RunningGateway, upstream: RawUpstream, session: str
) -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Remote-User: root")
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    send(served, "GET /app/ws", f"{session}; app=1", *upgrade, key, OWN_ORIGIN)
    (request,) = upstream.requests
    assert request.get("upgrade") == "websocket"
    assert (request.get("remote-user"), request.get("cookie")) == ("ada@example.org", "app=1")


# --- cookies --------------------------------------------------------------------------------------------------------


def test_the_apps_own_cookies_pass_in_both_directions(
    served: RunningGateway, upstream: RawUpstream, session: str
) -> None:
    upstream.begin_answering(answering(ok(b"", "Set-Cookie: app=1; Path=/app", "Set-Cookie: __Host-session=stolen")))
    for cookies in (f"{session}; app=1; theme=dark", f"Cookie: app=1;theme=dark; {session.removeprefix('Cookie: ')}"):
        for answer in three_times(served, "GET /app/x", cookies):
            assert answer.get_all("set-cookie") == ["app=1; Path=/app"]
    assert received(upstream, "cookie") == [{"cookie": "app=1; theme=dark"}] * 6


@pytest.mark.parametrize("name", ["__Host-session", "sallyport-session"])
def test_a_session_cookie_of_the_gateway_never_reaches_an_app(
    served: RunningGateway, upstream: RawUpstream, name: str
) -> None:
    for answer in three_times(served, "GET /open-cookies/x", f"Cookie: {name}={'h' * 43}; a=b"):
        assert answer.status == 200
    assert received(upstream, "cookie") == [{"cookie": "a=b"}] * 3


def test_one_client_does_not_get_the_cookies_of_another(served: RunningGateway, upstream: RawUpstream) -> None:
    with served.connect() as client:
        for number in range(6):
            fields = ("User-Agent: same", f"Cookie: app={number}") if number != 4 else ("User-Agent: same",)
            assert client.request("GET /open-cookies/same HTTP/1.1", "Host: gateway", *fields).status == 200
    sent = [fields.get("cookie") for fields in received(upstream, "cookie")]
    assert sent == ["app=0", "app=1", "app=2", "app=3", None, "app=5"]


def test_without_the_option_no_cookie_reaches_an_app(
    served: RunningGateway, upstream: RawUpstream, session: str
) -> None:
    for answer in three_times(served, "GET /other/x", f"{session}; app=1"):
        assert answer.status == 200
    assert received(upstream, "cookie") == [{}] * 3


# --- forms ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ((OWN_ORIGIN,), 200),
        ((OWN_ORIGIN, "Sec-Fetch-Site: same-origin"), 200),
        (("Sec-Fetch-Site: same-origin",), 200),
        (("Origin: null", "Sec-Fetch-Site: same-origin"), 200),  # of a page with Referrer-Policy: no-referrer
        (("Origin: null", "Sec-Fetch-Site: cross-site"), 403),  # of a sandboxed frame
        (("Origin: null",), 403),
        (("Origin: https://evil.example",), 403),
        (("Origin: https://evil.example", "Sec-Fetch-Site: same-origin"), 403),
        (("Sec-Fetch-Site: same-site",), 403),
        ((), 403),
    ],
)
def test_a_form_needs_an_own_origin_and_no_custom_header(
    served: RunningGateway, upstream: RawUpstream, session: str, fields: tuple[str, ...], status: int
) -> None:
    answers = three_times(served, "POST /app/x", session, *fields, body=b"a=b")
    assert [answer.status for answer in answers] == [status] * 3


def test_without_the_option_a_form_is_refused(served: RunningGateway, upstream: RawUpstream, session: str) -> None:
    answers = three_times(served, "POST /other/x", session, OWN_ORIGIN, "Sec-Fetch-Site: same-origin", body=b"a=b")
    assert [answer.status for answer in answers] == [403] * 3
