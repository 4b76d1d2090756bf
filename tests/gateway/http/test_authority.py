"""The authority of a request: its Host, or the authority of a target in absolute-form."""

import pytest

from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway


@pytest.mark.parametrize("authority", ["evil.example", "EVIL.example:81", "[2001:db8::1]", "[::1]:8080", "a_b", "h:"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_authority_of_a_target_in_absolute_form_replaces_host(
    gateway: RunningGateway, upstream: RawUpstream, authority: str, version: str
) -> None:
    """RFC 9112 3.2.2. The authority does not select the upstream."""
    for scheme in ("http", "https", "HTTP"):  # the third time, the head may be cached
        with gateway.connect() as client:
            for _ in range(3):
                lines = (f"GET {scheme}://{authority}/public/a?q HTTP/{version}", "Host: other.example")
                assert client.request(*lines, "Connection: keep-alive").status == 200
                assert upstream.last.request_line == "GET /public/a?q HTTP/1.1"
                assert upstream.last.get("x-forwarded-host") == authority
                assert f'host="{authority}"' in str(upstream.last.get("forwarded"))
                assert b"other.example" not in upstream.last.head
    with gateway.connect() as client:
        assert client.request(f"GET http://{authority}/public/a HTTP/1.0").status == 200
    assert upstream.last.get("x-forwarded-host") == authority


@pytest.mark.parametrize(
    "target",
    [
        *(
            "http:///public/a",
            "http://u:p@h/public/a",
            "http://@h/public/a",
            "http://a b/public/a",
            "http://[::1/public/a",
        ),
        *(
            "ftp://h/public/a",
            "http:/public/a",
            "http:public/a",
            "://h/public/a",
            "http://h\\/public/a",
            "http://h#/public/",
        ),
        *("http://h:x/public/a", "http://[h]/public/a", "http://h,i/public/a", "http://h%2e/public/a"),
    ],
)
def test_an_absolute_target_without_a_valid_host_is_refused(
    gateway: RunningGateway, upstream: RawUpstream, target: str
) -> None:
    with gateway.connect() as client:
        assert client.request(f"GET {target} HTTP/1.1", "Host: h").status == 400
        assert client.is_closed()
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("line", "status"),
    [("GET http://h HTTP/1.1", 404), ("GET http://h?/public/a HTTP/1.1", 404), ("OPTIONS http://h HTTP/1.1", 204)],
)
def test_an_absolute_target_without_a_path_is_the_root_or_the_server(
    gateway: RunningGateway, upstream: RawUpstream, line: str, status: int
) -> None:
    """RFC 9112 3.2.1, 3.2.4. There is no route for the root."""
    with gateway.connect() as client:
        assert client.request(line, "Host: h").status == status
    assert upstream.requests == []


@pytest.mark.parametrize("line", ["Host: h", "Host:"])
def test_an_absolute_target_also_requires_exactly_one_host(
    gateway: RunningGateway, upstream: RawUpstream, line: str
) -> None:
    """RFC 9112 3.2."""
    for lines in ((line, "Host: h"), ()):
        with gateway.connect() as client:
            assert client.request("GET http://h/public/a HTTP/1.1", *lines).problem["code"] == "bad_header"
    assert upstream.requests == []


@pytest.mark.parametrize(
    "host", ["[::1]", "[2001:db8::1]:80", "h:8080", "192.0.2.1", "a_b.example", "xn--bcher-kva.example"]
)
def test_a_valid_host_is_forwarded(gateway: RunningGateway, upstream: RawUpstream, host: str) -> None:
    with gateway.connect() as client:
        assert client.request("GET /public/ HTTP/1.1", f"Host: {host}").status == 200
    assert upstream.last.get("x-forwarded-host") == host


@pytest.mark.parametrize(
    "host",
    [
        *(
            "a b",
            "a/b",
            "u@h",
            "u:p@h",
            "a,b",
            "a;b",
            "a%2eb",
            "h:x",
            "h:80:80",
            "::1",
            "[::1",
            "::1]",
            "[h]",
            "[]",
            "a]b",
        ),
        *("[::1]x", "http://h", "h?", "h#", "h\\", "\xe9", "h" * 256, ":80", '"h"', "<h>"),
    ],
)
@pytest.mark.parametrize("path", ["/public/", "/healthz"])
def test_an_invalid_host_is_refused(gateway: RunningGateway, upstream: RawUpstream, host: str, path: str) -> None:
    """A service may build links from Host. RFC 9110 4.2.4, 7.2; RFC 9112 3.2."""
    with gateway.connect() as client:
        assert client.request(f"GET {path} HTTP/1.1", f"Host: {host}").problem["code"] == "bad_header"
    assert upstream.requests == []
