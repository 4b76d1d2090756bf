"""Which requests with a valid token the edge decides: only those that all servers read in the same way."""

import pytest

from tests.gateway.edge.played_edge import PlayedEdge

pytestmark = pytest.mark.system

HOST = "Host: h"

AT_EDGE = (
    "/api/notes",
    "/api/",
    "/api",
    "/api/a.b",
    "/api/a/b/?x=%2f%00&y=//../",
    "/api/by-method",
    "/api/case/",
    "/api/publicx",
    "/foreign/x",
    "/fixed/x",
)


@pytest.mark.parametrize("target", AT_EDGE)
def test_the_edge_decides_plain_targets(edge: PlayedEdge, bearer: str, target: str) -> None:
    assert edge.decides(f"GET {target} HTTP/1.1", HOST, bearer)
    assert edge.service.last.request_line == f"GET {target} HTTP/1.1"


FOR_GATEWAY = (
    "/",
    "/apix",
    "/API/notes",
    "/Api/",
    "/unknown/",
    "/api/public/",
    "/api/public",
    "/api/public/x",
    "/api/Case/",
    "/limited/",
    "//api/notes",
    "/api//notes",
    "/api/notes//",
    "/api/./notes",
    "/api/../api/notes",
    "/api/.hidden",
    "/api/notes/..",
    "/api/%2e%2e/notes",
    "/api%2fnotes",
    "/api/a%2Fb",
    "/api/a%5cb",
    "/api/a\\b",
    "/api/a;b=c",
    "/api/..;/x",
    "/api/%00",
    "/api/%6eotes",
    "/%61pi/notes",
    "/api/caf%c3%a9",
    "/api/%zz",
    "/api/[x]",
    '/api/"x"',
    "/api/{x}",
    "/api/?ticket=1",
    "/api/?a=1&ticket=2",
    "/api/" + "a" * 8_000,
    "http://h/api/notes",
    "https://h/api/notes",
    "HTTP://h/api/notes",
    "/session/",
    "/session/ticket",
    "/auth/users/me/",
    "/healthz",
    "/forward-auth/api/notes",
    "/openapi.json",
    "/.well-known/jwks.json",
)


@pytest.mark.parametrize("target", FOR_GATEWAY)
def test_the_edge_leaves_other_targets_to_the_gateway(edge: PlayedEdge, bearer: str, target: str) -> None:
    assert not edge.decides(f"GET {target} HTTP/1.1", HOST, bearer)


@pytest.mark.parametrize("target", ["/api/a#b", "/api/a b", "/api/\xe9", "/api/a\x01", "api/notes", "*"])
def test_what_is_no_target_reaches_no_service(edge: PlayedEdge, bearer: str, target: str) -> None:
    assert not edge.decides(f"GET {target} HTTP/1.1", HOST, bearer)


@pytest.mark.parametrize(
    ("method", "target", "at_edge"),
    [
        ("GET", "/api/by-method/", True),
        ("HEAD", "/api/by-method/", True),
        ("POST", "/api/by-method/x", False),  # 405: a longer prefix hides the routes of a shorter one for all methods
        ("POST", "/api/", True),
        ("PATCH", "/api/", False),
        ("OPTIONS", "/api/", False),
        ("TRACE", "/api/", False),
        ("get", "/api/", False),
        ("PROPFIND", "/api/", False),
    ],
)
def test_methods(edge: PlayedEdge, bearer: str, method: str, target: str, at_edge: bool) -> None:
    before = len(edge.service.requests)
    for _ in range(2):
        edge.send(f"{method} {target} HTTP/1.1", HOST, bearer, "Content-Length: 0", "Connection: close")
    assert (len(edge.service.requests) > before) is at_edge


@pytest.mark.parametrize(
    "lines",
    [
        ("Connection: X-Identity",),
        ("Connection: keep-alive, X-User-Id",),
        ("Expect: 100-continue",),
        ("Max-Forwards: 1",),
        ("TE: trailers",),
        ("Via: 1.1 other",),
        ("X-Sallyport-Fault: lost-answer",),
        ("Accept: text/event-stream",),
        ("Accept: text/html, TEXT/Event-Stream",),
        ("Origin: https://evil.example",),
        ("Origin: null",),
        ("Origin: https://app.example", "Origin: https://app.example"),
        ("Origin: https://app.example.evil.example",),
        ("Content-Length: 1001",),
        *(tuple(f"X-Field-{number}: 1" for number in range(count)) for count in (100, 200)),
        ("X-Long: " + "a" * 32_700,),
    ],
)
def test_fields_that_change_what_the_gateway_does(edge: PlayedEdge, bearer: str, lines: tuple[str, ...]) -> None:
    assert not edge.decides("POST /api/ HTTP/1.1", HOST, bearer, *lines, body=b"a" * 1_001)


@pytest.mark.parametrize("host", ["h:99999999", "a b", "a/b", "user@h", "h,i", ""])
def test_a_host_that_is_no_host_is_not_decided(edge: PlayedEdge, bearer: str, host: str) -> None:
    assert not edge.decides("GET /api/ HTTP/1.1", f"Host: {host}", bearer)


def test_a_request_without_a_host_or_in_http_1_0_is_not_decided(edge: PlayedEdge, bearer: str) -> None:
    assert not edge.decides("GET /api/ HTTP/1.1", bearer)
    assert not edge.decides("GET /api/ HTTP/1.0", HOST, bearer)


def test_a_chunked_body_is_for_the_gateway(edge: PlayedEdge, bearer: str) -> None:
    chunked = ("POST /api/ HTTP/1.1", HOST, bearer, "Transfer-Encoding: chunked")
    assert not edge.decides(*chunked, body=b"1\r\na\r\n0\r\n\r\n")


def test_a_body_with_an_announced_length_is_forwarded(edge: PlayedEdge, bearer: str) -> None:
    assert edge.decides("POST /api/ HTTP/1.1", HOST, bearer, "Content-Length: 5", body=b"hello")
    assert edge.service.last.body == b"hello"
