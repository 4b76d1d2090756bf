"""What a route changes in requests and responses: prefix, header fields and cookies; and access by method."""

import pytest

from tests.gateway.access_tokens import IDENTITY_SECRET
from tests.gateway.raw_client import RawResponse
from tests.gateway.raw_upstream import RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway


def request_twice(gateway: RunningGateway, line: str, *fields: str) -> RawResponse:
    """Send the request twice on one connection and return the second response, which uses the response head cache."""
    with gateway.connect() as client:
        client.request(line, "Host: h", *fields)
        return client.request(line, "Host: h", *fields)


@pytest.mark.parametrize(
    ("target", "forwarded"),
    [
        ("/stripped/deep", "/"),
        ("/stripped/deep/", "/"),
        ("/stripped/deep?a=/stripped/deep", "/?a=/stripped/deep"),
        ("/stripped/deep/x", "/x"),
        ("/stripped/deep/stripped/deep/", "/stripped/deep/"),
        ("/stripped/deep/a%20b/~(c)?q=%2F", "/a%20b/~(c)?q=%2F"),
    ],
)
def test_the_prefix_is_removed_and_the_rest_is_forwarded_byte_for_byte(
    gateway: RunningGateway, upstream: RawUpstream, token: str, target: str, forwarded: str
) -> None:
    """The forwarded path always begins with a slash."""
    response = request_twice(
        gateway, f"GET {target} HTTP/1.1", f"Authorization: Bearer {token}", "X-Forwarded-Prefix: /x"
    )
    assert response.status == 200
    assert upstream.last.request_line == f"GET {forwarded} HTTP/1.1"
    assert upstream.last.get("x-forwarded-prefix") == "/stripped/deep"


@pytest.mark.parametrize(
    ("target", "forwarded"),
    [
        ("/replaced/deep", "/other/place"),
        ("/replaced/deep/?a=/replaced/deep", "/other/place/?a=/replaced/deep"),
        ("/replaced/deep/replaced/deep/a%20b", "/other/place/replaced/deep/a%20b"),
    ],
)
def test_the_prefix_is_replaced(
    gateway: RunningGateway, upstream: RawUpstream, token: str, target: str, forwarded: str
) -> None:
    assert request_twice(gateway, f"GET {target} HTTP/1.1", f"Authorization: Bearer {token}").status == 200
    assert upstream.last.request_line == f"GET {forwarded} HTTP/1.1"
    assert upstream.last.get("x-forwarded-prefix") is None


@pytest.mark.parametrize("target", ["/stripped/deep//evil.example/", "/stripped/deep/../x", "/stripped/deep/%2e/x"])
def test_an_ambiguous_path_is_refused_before_the_prefix_is_removed(
    gateway: RunningGateway, upstream: RawUpstream, token: str, target: str
) -> None:
    with gateway.connect() as client:
        assert client.request(f"GET {target} HTTP/1.1", "Host: h", f"Authorization: Bearer {token}").status == 400
    assert upstream.requests == []


def test_access_is_decided_by_the_whole_path(gateway: RunningGateway, upstream: RawUpstream) -> None:
    assert request_twice(gateway, "GET /stripped/deep/public/ HTTP/1.1").status == 401
    assert upstream.requests == []


def test_a_routes_request_headers_replace_the_clients(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """Upper and lower case do not matter, and a field named in Connection is not removed."""
    spoofed = ("x-tenant: evil", "X-TENANT: evil", "X-Other: 1", "Connection: keep-alive, X-Tenant")
    assert request_twice(gateway, "GET /fixed/ HTTP/1.1", *spoofed).status == 200
    assert upstream.last.get("x-tenant") == "acme"
    assert upstream.last.get("x-secret") == IDENTITY_SECRET
    assert upstream.last.get("x-other") == "1"


@pytest.mark.parametrize("body", [b"small", b"x" * 200_000])
def test_a_routes_response_headers_replace_the_upstreams(
    gateway: RunningGateway, upstream: RawUpstream, body: bytes
) -> None:
    """In a small and in a large response; other routes to the upstream return the upstream's own fields."""
    upstream.begin(answering(ok(body, "cache-control: public", "Cache-Control: max-age=9", "X-Kept: 1")))
    response = request_twice(gateway, "GET /fixed/ HTTP/1.1")
    assert response.get_all("cache-control") == ["no-store"]
    assert (response.get("x-frame-options"), response.get("x-kept"), response.body) == ("DENY", "1", body)
    other = request_twice(gateway, "GET /public/ HTTP/1.1")
    assert (other.get_all("cache-control"), other.get("x-frame-options")) == (["public", "max-age=9"], None)


def test_set_cookie_reaches_the_client_only_with_keep_cookies(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """A cookie with the name of the gateway's session cookie never does, and no cookie is sent to the service."""
    planted = [
        "Set-Cookie: __Host-session=planted; Secure; Path=/",
        "Set-Cookie: __host-session =planted",
        "Set-Cookie: =__Host-session=planted",
    ]
    upstream.begin(answering(ok(b"x", "Set-Cookie: lang=en", "Set-Cookie: theme=__Host-session=1", *planted)))
    assert request_twice(gateway, "GET /cookies/ HTTP/1.1", "Cookie: lang=de").get_all("set-cookie") == [
        "lang=en",
        "theme=__Host-session=1",
    ]
    assert upstream.last.get("cookie") is None
    assert request_twice(gateway, "GET /public/ HTTP/1.1").get_all("set-cookie") == []
    assert len(request_twice(gateway, "GET /cookies/ HTTP/1.1").get_all("set-cookie")) == 2


@pytest.mark.parametrize(
    ("method", "without_token", "with_token"),
    [("GET", 200, 200), ("HEAD", 200, 200), ("POST", 401, 200), ("PATCH", 401, 200), ("DELETE", 405, 405)],
)
def test_access_may_differ_by_method(
    gateway: RunningGateway, upstream: RawUpstream, token: str, method: str, without_token: int, with_token: int
) -> None:
    """The numbers are the statuses of the responses."""
    assert request_twice(gateway, f"{method} /by-method/x HTTP/1.1").status == without_token
    response = request_twice(gateway, f"{method} /by-method/x HTTP/1.1", f"Authorization: Bearer {token}")
    assert response.status == with_token
    assert response.get("allow") == ("GET, HEAD, PATCH, POST" if with_token == 405 else None)
