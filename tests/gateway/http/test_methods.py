"""Methods that a proxy answers itself or handles specially (RFC 9110 7.6.2, 9.3): OPTIONS, TRACE and CONNECT."""

import pytest

from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway

EVERY_METHOD = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


@pytest.mark.parametrize(("received", "forwarded"), [("1", "0"), ("10", "9"), ("999999999", "999999998")])
def test_max_forwards_of_options_is_decremented(
    gateway: RunningGateway, upstream: RawUpstream, received: str, forwarded: str
) -> None:
    """RFC 9110 7.6.2."""
    with gateway.connect() as client:
        assert client.request("OPTIONS /public/ HTTP/1.1", "Host: h", f"Max-Forwards: {received}").status == 200
    assert upstream.last.request_line == "OPTIONS /public/ HTTP/1.1"
    assert upstream.last.get("max-forwards") == forwarded


def test_max_forwards_of_other_methods_is_forwarded_unchanged(gateway: RunningGateway, upstream: RawUpstream) -> None:
    with gateway.connect() as client:
        assert client.request("GET /public/ HTTP/1.1", "Host: h", "Max-Forwards: 0").status == 200
    assert upstream.last.get("max-forwards") == "0"


@pytest.mark.parametrize("path", ["/public/", "/api/", "/small-body/"])
def test_the_gateway_answers_options_with_max_forwards_0(
    gateway: RunningGateway, upstream: RawUpstream, path: str
) -> None:
    with gateway.connect() as client:
        response = client.request(f"OPTIONS {path} HTTP/1.1", "Host: h", "Max-Forwards: 0")
        assert (response.status, response.get("allow"), response.body) == (204, EVERY_METHOD, b"")
        assert client.request("OPTIONS /readonly/ HTTP/1.1", "Host: h", "Max-Forwards: 0").status == 405
        assert client.request("OPTIONS /none/ HTTP/1.1", "Host: h", "Max-Forwards: 0").status == 404
    assert upstream.requests == []


@pytest.mark.parametrize("value", ["-1", "+1", "1.0", "x", "", "1, 2", "9999999999", "²"])
def test_max_forwards_must_be_one_number(gateway: RunningGateway, upstream: RawUpstream, value: str) -> None:
    with gateway.connect() as client:
        response = client.request("OPTIONS /public/ HTTP/1.1", "Host: h", f"Max-Forwards: {value}")
        assert response.problem["code"] == "bad_header"
    with gateway.connect() as client:
        twice = client.request("OPTIONS /public/ HTTP/1.1", "Host: h", "Max-Forwards: 1", "Max-Forwards: 1")
        assert twice.problem["code"] == "bad_header"
    assert upstream.requests == []


def test_the_gateway_answers_options_with_an_asterisk(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """RFC 9110 9.3.7; the connection stays open."""
    with gateway.connect() as client:
        for _ in range(2):
            response = client.request("OPTIONS * HTTP/1.1", "Host: h")
            assert (response.status, response.get("allow"), response.body) == (204, EVERY_METHOD, b"")
            assert response.get("x-request-id")
    assert upstream.requests == []


@pytest.mark.parametrize(
    "lines", [("OPTIONS * HTTP/1.1",), ("OPTIONS *?a HTTP/1.1", "Host: h"), ("OPTIONS ** HTTP/1.1", "Host: h")]
)
def test_a_malformed_options_with_an_asterisk_is_refused(gateway: RunningGateway, lines: tuple[str, ...]) -> None:
    with gateway.connect() as client:
        assert client.request(*lines).status == 400


@pytest.mark.parametrize("path", ["/public/", "/api/", "/readonly/", "/healthz"])
def test_trace_is_refused(gateway: RunningGateway, upstream: RawUpstream, path: str) -> None:
    """A response to TRACE would show a page its own cookies. TRACE is refused with every Max-Forwards."""
    for forwards in ("0", "5"):
        with gateway.connect() as client:
            response = client.request(f"TRACE {path} HTTP/1.1", "Host: h", "Cookie: a=b", f"Max-Forwards: {forwards}")
        assert response.status == 405
        assert "TRACE" not in (response.get("allow") or "TRACE")
        assert b"a=b" not in response.body
    assert upstream.requests == []


@pytest.mark.parametrize("target", ["example.org:443", "/public/", "*", "http://example.org/", "[::1]:22"])
def test_connect_opens_no_tunnel(gateway: RunningGateway, upstream: RawUpstream, target: str) -> None:
    """The bytes after CONNECT are not parsed as HTTP."""
    with gateway.connect() as client:
        client.send(f"CONNECT {target} HTTP/1.1\r\nHost: h\r\n\r\nGET /public/ HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        response = client.read_response()
        assert (response.status, response.get("allow")) == (405, EVERY_METHOD)
        assert client.is_closed()
    assert upstream.requests == []
