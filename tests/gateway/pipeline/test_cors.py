"""CORS: pages of allowed origins may read responses, and other pages may not."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.http.origin import parse_allowed_origins
from gateway.http.request import Request
from gateway.pipeline.cors import Cors
from tests.gateway.conftest import ROUTES, MakeApp
from tests.gateway.raw_client import RawResponse
from tests.gateway.raw_upstream import RawUpstream, Script, answering, ok
from tests.gateway.running_gateway import RunningGateway, running

LISTED = [
    "capacitor://localhost",
    "ionic://localhost",
    "http://localhost",
    "https://localhost",
    "http://localhost:8100",
]
UNLISTED = ["https://evil.example", "null", "http://localhost:81", "https://localhost.evil.example", "*", ""]


@pytest.fixture(scope="module")
def gateway(make_app: MakeApp) -> Iterator[RunningGateway]:
    with running(make_app(ALLOWED_ORIGINS=",".join(LISTED))) as served:
        yield served


def send(gateway: RunningGateway, line: str, *fields: str) -> RawResponse:
    with gateway.connect() as client:
        return client.request(f"{line} HTTP/1.1", "Host: gateway", *fields)


@pytest.mark.parametrize("origin", LISTED)
@pytest.mark.parametrize("path", ["/api/x", "/public/x", "/auth/jwt/create/", "/session/", "/readonly/x"])
def test_the_gateway_answers_a_preflight_of_an_allowed_origin(
    gateway: RunningGateway, upstream: RawUpstream, origin: str, path: str
) -> None:
    answer = send(
        gateway,
        f"OPTIONS {path}",
        f"Origin: {origin}",
        "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: authorization, content-type, x-refresh-token",
    )
    assert (answer.status, upstream.requests) == (204, [])
    assert answer.get("access-control-allow-origin") == origin
    assert answer.get("access-control-allow-credentials") == "true"
    assert answer.get("access-control-allow-headers") == "authorization, content-type, x-refresh-token"
    assert answer.get("access-control-allow-methods")
    assert "Origin" in answer.get_all("vary")


@pytest.mark.parametrize("origin", UNLISTED)
def test_a_preflight_of_another_origin_is_refused(
    gateway: RunningGateway, upstream: RawUpstream, origin: str
) -> None:
    answer = send(gateway, "OPTIONS /api/x", f"Origin: {origin}", "Access-Control-Request-Method: POST")
    assert (answer.status, answer.problem["code"], upstream.requests) == (403, "cross_site", [])
    assert answer.get("access-control-allow-origin") is None


@pytest.mark.parametrize("path", ["/api/x", "/public/x", "/session/", "/nowhere-at-all", "/readyz"])
def test_only_pages_of_allowed_origins_may_read_a_response(
    gateway: RunningGateway, upstream: RawUpstream, path: str
) -> None:
    answer = send(gateway, f"GET {path}", "Origin: capacitor://localhost")
    assert answer.get("access-control-allow-origin") == "capacitor://localhost"
    assert "X-Access-Token" in (answer.get("access-control-expose-headers") or "")
    for origin in UNLISTED:
        assert send(gateway, f"GET {path}", f"Origin: {origin}").get("access-control-allow-origin") is None
    assert send(gateway, f"GET {path}").get("access-control-allow-origin") is None


def test_a_cached_header_section_does_not_mix_up_origins(
    gateway: RunningGateway, upstream: RawUpstream, token: str
) -> None:
    """Requests with a cached header section get the CORS fields of their own Origin."""
    upstream.begin(answering(ok(b"ok", "ETag: 1")))
    authorization = f"Authorization: Bearer {token}"
    with gateway.connect() as client:
        for _ in range(4):
            for origin in ("http://localhost:8100", "ionic://localhost", "https://evil.example", None):
                for fields, status in (([authorization], 200), ([], 401)):
                    page = [f"Origin: {origin}"] if origin else []
                    answer = client.request("GET /api/x HTTP/1.1", "Host: gateway", *fields, *page)
                    expected = origin if origin in LISTED else None
                    assert (answer.status, answer.get("access-control-allow-origin")) == (status, expected)
                    assert answer.get("access-control-allow-credentials") == ("true" if expected else None)


SERVICE_CORS = (
    "Access-Control-Allow-Origin: *",
    "Access-Control-Allow-Credentials: true",
    "access-control-expose-headers: X-Inner",
    "Access-Control-Allow-Headers: *",
    "ACCESS-CONTROL-ALLOW-METHODS: *",
    "Access-Control-Max-Age: 86400",
    "Access-Control-Allow-Private-Network: true",
)
HEAD = "HTTP/1.1 {}\r\n" + "\r\n".join(SERVICE_CORS) + "\r\n"
STREAM = "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n:ok\r\n0\r\n\r\n"
SERVICE_ANSWERS = {
    "an answer": ok(b"ok", *SERVICE_CORS),
    "an error": ok(b"ok", *SERVICE_CORS).replace(b"200 OK", b"500 Oh", 1),
    "not modified": (HEAD.format("304 N") + "\r\n").encode(),
    "a stream": (HEAD.format("200 OK") + STREAM).encode(),
}


def cors_fields(answer: RawResponse) -> set[str]:
    return {name for name, _ in answer.fields if name.startswith("access-control-")}


@pytest.mark.parametrize("answer", SERVICE_ANSWERS.values(), ids=SERVICE_ANSWERS)
@pytest.mark.parametrize("path", ["/public/x", "/auth/x"])
def test_cors_fields_of_a_service_are_dropped(
    gateway: RunningGateway,
    upstream: RawUpstream,
    auth_upstream: RawUpstream,
    auth_answers: Script,
    path: str,
    answer: bytes,
) -> None:
    """This holds for every origin. The third request and response use the caches."""
    (auth_upstream if path == "/auth/x" else upstream).begin_answering(answering(answer))
    with gateway.connect() as client:
        for origin in ([], ["Origin: https://evil.example"], ["Origin: null"]):
            for _ in range(3):
                assert cors_fields(client.request(f"GET {path} HTTP/1.1", "Host: gateway", *origin)) == set()
        listed = client.request(f"GET {path} HTTP/1.1", "Host: gateway", "Origin: ionic://localhost")
    auth_upstream.begin(auth_answers)
    assert listed.get("access-control-allow-origin") == "ionic://localhost"
    assert "X-Inner" not in (listed.get("access-control-expose-headers") or "")
    assert cors_fields(listed) == {
        f"access-control-{name}" for name in ("allow-origin", "allow-credentials", "expose-headers")
    }


def test_without_allowed_origins_cors_fields_of_a_service_are_dropped_too(
    make_app: MakeApp, upstream: RawUpstream
) -> None:
    with running(make_app(APP_ENV="production")) as gateway:
        upstream.begin(answering(ok(b"ok", *SERVICE_CORS)))
        for _ in range(3):
            answer = send(gateway, "GET /public/x", "Origin: https://evil.example")
            assert (answer.status, cors_fields(answer), answer.get("vary")) == (200, set(), None)


# --- preflights ---------------------------------------------------------------------------------------------------

NOT_ALLOWED = (
    "The Origin https://evil.example is neither the gateway's own (http://gateway) nor one of ALLOWED_ORIGINS."
)
PATHS = ["/api/x", "/staff/x", "/public/x", "/auth/x", "/session/", "/nowhere", "/readonly/x", "//", "/healthz"]


@pytest.mark.parametrize("environment", ["production", "development"])
def test_a_refused_preflight_is_the_same_for_every_path(
    make_app: MakeApp, upstream: RawUpstream, auth_upstream: RawUpstream, environment: str
) -> None:
    """The response does not reveal which paths exist, and no service gets the request."""
    with running(make_app(APP_ENV=environment)) as gateway:
        answers = [
            send(gateway, f"OPTIONS {path}", "Origin: https://evil.example", "Access-Control-Request-Method: PUT")
            for path in PATHS
        ]
    assert {(answer.status, answer.problem["code"], answer.problem["detail"]) for answer in answers} == {
        (403, "cross_site", NOT_ALLOWED)
    }
    assert [answer for answer in answers if cors_fields(answer)] == []
    assert upstream.requests == []
    assert [request for request in auth_upstream.requests if "OPTIONS" in request.request_line] == []


@pytest.mark.parametrize(
    "lines",
    [
        ["Host: gateway", "Host: other"],
        [],
        ["Host: gateway", "Content-Length: 1", "Content-Length: 1"],
        ["Host: gateway", "Transfer-Encoding: gzip, chunked"],
    ],
)
@pytest.mark.parametrize("origin", ["http://localhost", "https://evil.example"])
def test_a_malformed_preflight_is_refused(gateway: RunningGateway, lines: list[str], origin: str) -> None:
    """The reasons are those for any request, and they are checked before the origin."""
    with gateway.connect() as client:
        answer = client.request(
            "OPTIONS /public/x HTTP/1.1", *lines, f"Origin: {origin}", "Access-Control-Request-Method: PUT"
        )
    assert (answer.status, answer.get("connection")) == (400, "close")


@pytest.mark.parametrize(("max_fields", "status"), [("60", 204), ("40", 431)])
def test_the_limit_of_header_fields_applies_to_preflights(make_app: MakeApp, max_fields: str, status: int) -> None:
    fields = ["Origin: http://localhost", "Access-Control-Request-Method: PUT", *(f"X-{n}: 1" for n in range(50))]
    with running(make_app(MAX_HEADER_FIELDS=max_fields)) as gateway:
        assert send(gateway, "OPTIONS /public/x", *fields).status == status


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/readonly/x", "GET, HEAD"),
        ("/by-method/x", "GET, HEAD, PATCH, POST"),
        ("/public/x", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),
        ("/nowhere", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),
        ("/session/", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),
    ],
)
def test_a_preflight_allows_the_methods_of_the_path(gateway: RunningGateway, path: str, methods: str) -> None:
    answer = send(gateway, f"OPTIONS {path}", "Origin: http://localhost", "Access-Control-Request-Method: PUT")
    assert (answer.status, answer.get("access-control-allow-methods")) == (204, methods)


def test_a_browser_may_cache_a_preflight_for_the_configured_time(make_app: MakeApp) -> None:
    with running(make_app(CORS_MAX_AGE="7200")) as gateway:
        answer = send(gateway, "OPTIONS /", "Origin: http://localhost", "Access-Control-Request-Method: PUT")
    assert answer.get("access-control-max-age") == "7200"


def test_a_route_may_expose_fields_of_its_service(make_app: MakeApp, upstream: RawUpstream, tmp_path: Path) -> None:
    file = tmp_path / "routes.toml"
    route = '[[routes]]\nprefix = "/paged/"\nupstream = "notes"\naccess = "public"\n'
    file.write_text(ROUTES + route + 'expose_headers = ["ETag", "Link", "X-Total-Count"]\n')
    with running(make_app(GATEWAY_ROUTES=str(file))) as gateway:
        exposed = [
            send(gateway, f"GET {path}", "Origin: http://localhost:5173").get("access-control-expose-headers") or ""
            for path in ("/paged/x", "/public/x")
        ]
    assert exposed[0] == exposed[1] + ", ETag, Link, X-Total-Count"
    assert "ETag" not in exposed[1]


# --- caches -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "GET /public/x",
        "GET /api/x",
        "GET /nowhere",
        "GET /session/",
        "GET /connection-refused/x",
        "OPTIONS *",
        "GET /auth/x",
        "GET /a//b",
    ],
)
@pytest.mark.parametrize("origin", [[], ["Origin: ionic://localhost"], ["Origin: https://evil.example"]])
def test_with_allowed_origins_every_response_varies_by_origin(
    gateway: RunningGateway, upstream: RawUpstream, line: str, origin: list[str]
) -> None:
    """Fetch, "CORS protocol and HTTP caches". The third request uses the caches."""
    for _ in range(3):
        assert "Origin" in send(gateway, line, *origin).get_all("vary")


def test_vary_of_a_service_is_kept(gateway: RunningGateway, upstream: RawUpstream) -> None:
    upstream.begin(answering(ok(b"ok", "Vary: Accept, Accept-Encoding")))
    with gateway.connect() as client:
        for _ in range(3):
            answer = client.request("GET /public/x HTTP/1.1", "Host: gateway")
            assert answer.get_all("vary") == ["Origin", "Accept, Accept-Encoding"]


# --- the log ------------------------------------------------------------------------------------------------------


def test_an_origin_that_is_not_allowed_is_logged_once_and_truncated(make_app: MakeApp, upstream: RawUpstream) -> None:
    long = "https://" + "a" * 1_000
    with running(make_app(ALLOWED_ORIGINS="https://app.example")) as gateway, capture_logs() as lines:
        for _ in range(3):
            for origin in ("https://evil.example", long, "https://app.example", "http://gateway"):
                send(gateway, "GET /public/x", f"Origin: {origin}")
    logged = [line for line in lines if line["event"] == "origin_not_allowed"]
    assert [line["origin"] for line in logged] == ["https://evil.example", long[:200]]
    assert "ALLOWED_ORIGINS" in logged[0]["reason"]


def test_the_cache_of_origins_is_bounded() -> None:
    cors = Cors(parse_allowed_origins("https://app.example"), 600)
    with capture_logs():
        for number in range(5_000):
            assert cors.allowed_origin(_request(f"https://{number}.example")) is None
            assert cors.allowed_origin(_request(f"https://{number}.{'a' * 4_000}.example")) is None
    assert len(cors._results) <= 1_000
    assert max(map(len, cors._results)) <= 300
    assert cors.allowed_origin(_request("https://app.example")) == b"https://app.example"


def _request(origin: str) -> Request:
    headers = [(b"host", b"gateway"), (b"origin", origin.encode())]
    return Request("id", "GET", b"/", b"", headers, "1.1", "192.0.2.1", "https", None)


def test_the_access_log_has_the_refused_origin_and_the_reason(
    make_app: MakeApp, capfd: pytest.CaptureFixture[str]
) -> None:
    with running(make_app(ACCESS_LOG="on")) as gateway:
        send(gateway, "OPTIONS /public/x", "Origin: https://evil.example", "Access-Control-Request-Method: PUT")
        send(gateway, "OPTIONS /public/x", 'Origin: https://evil.example"}', "Access-Control-Request-Method: PUT")
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if '"cross_site"' in line]
    assert [line["origin"] for line in lines] == ["https://evil.example", 'https://evil.example"}']
    assert lines[0]["reason"] == NOT_ALLOWED
    assert lines[1]["reason"] == 'The Origin https://evil.example"} is not scheme://host[:port].'


def test_a_log_in_refused_by_its_origin_is_logged_with_the_reason(gateway: RunningGateway) -> None:
    with capture_logs() as lines:
        answer = send(
            gateway, "POST /session/", "Origin: https://evil.example", "X-Requested-With: a", "Content-Length: 0"
        )
    assert answer.problem["code"] == "cross_site"
    (line,) = [line for line in lines if line["event"] == "cross_site_refused"]
    assert (line["origin"], line["reason"]) == ("https://evil.example", answer.problem["detail"])


@pytest.mark.parametrize("origin", ["capacitor://localhost", "http://localhost:8100"])
def test_a_log_in_by_cookie_from_another_site_is_refused_with_the_reason(
    gateway: RunningGateway, origin: str
) -> None:
    """The browser would drop the cookie, so the log-in would have no effect."""
    body = b'{"email": "a@example.com", "password": "x"}'
    with gateway.connect() as client:
        answer = client.request(
            "POST /session/ HTTP/1.1",
            "Host: gateway.example",
            f"Origin: {origin}",
            "X-Requested-With: a",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            body=body,
        )
    assert (answer.status, answer.problem["code"]) == (403, "cross_site")
    assert "SameSite=Strict" in answer.problem["detail"]
    assert answer.get("access-control-allow-origin") == origin  # the page can read the reason
