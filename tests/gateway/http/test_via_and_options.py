"""What HTTP asks of everything that stands between (RFC 9110 7.6, 9.3): Via, loops, Max-Forwards, OPTIONS, TRACE."""

from collections.abc import Iterator

import pytest

from contract.problems import Refused
from gateway.http.via import Via
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway, running

EVERY_METHOD = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"

CHAINS = {
    "none": ([], "1.1 sallyport"),
    "one": (["1.0 fred"], "1.0 fred, 1.1 sallyport"),
    "several": (
        ["1.0 fred, 1.1 p.example:80 (Apache/1.1)", "2 h"],
        "1.0 fred, 1.1 p.example:80 (Apache/1.1), 2 h, 1.1 sallyport",
    ),
    "one that looks like us": (
        ["1.1 sallyport2, 1.1 the-sallyport"],
        "1.1 sallyport2, 1.1 the-sallyport, 1.1 sallyport",
    ),
    "us in a comment": (["1.1 fred (sallyport)"], "1.1 fred (sallyport), 1.1 sallyport"),
    "malformed": (["\x80\xff"], "1.1 sallyport"),
    "empty": ([""], "1.1 sallyport"),
}


@pytest.mark.parametrize(("received", "told"), CHAINS.values(), ids=CHAINS)
def test_the_gateway_adds_itself_to_via(
    gateway: RunningGateway, upstream: RawUpstream, received: list[str], told: str
) -> None:
    """RFC 9110 7.6.3."""
    with gateway.connect() as client:
        fields = [f"Via: {value}" for value in received]
        assert client.ask("GET /public/ HTTP/1.1", "Host: h", *fields).status == 200
    assert upstream.last.get("via") == told


def test_via_says_the_version_that_came(gateway: RunningGateway, upstream: RawUpstream) -> None:
    with gateway.connect() as client:
        assert client.ask("GET /public/ HTTP/1.0").status == 200
    assert upstream.last.get("via") == "1.0 sallyport"


LOOPS = ["1.1 sallyport", "1.0 fred, 1.1 sallyport, 1.1 other", "HTTP/1.1\tSallyPort (us)", "1.1 a,1.1 sallyport"]


@pytest.mark.parametrize("via", LOOPS)
def test_a_request_that_went_in_a_circle_is_refused(gateway: RunningGateway, upstream: RawUpstream, via: str) -> None:
    with gateway.connect() as client:
        answer = client.ask("GET /api/ HTTP/1.1", "Host: h", f"Via: {via}")
    assert (answer.status, answer.problem["code"]) == (508, "loop_detected")
    assert upstream.requests == []


@pytest.fixture(scope="module")
def looped(make_app: MakeApp) -> Iterator[tuple[RunningGateway, RunningGateway]]:
    """A gateway of another name, and one of ours whose services are reached through it, which is ours again."""
    with running(make_app()) as inner, running(make_app(RESOURCE_URL=inner.url, GATEWAY_NAME="outer")) as outer:
        yield outer, inner


def test_gateways_of_different_names_make_a_chain(
    looped: tuple[RunningGateway, RunningGateway], upstream: RawUpstream
) -> None:
    outer, _ = looped
    with outer.connect() as client:
        assert client.ask("GET /public/ HTTP/1.1", "Host: h", "Via: 1.1 fred").status == 200
        assert client.ask("GET /public/ HTTP/1.1", "Host: h", "Via: 1.1 sallyport").problem["code"] == "loop_detected"
    assert upstream.last.get("via") == "1.1 fred, 1.1 outer, 1.1 sallyport"


@pytest.mark.parametrize("name", ["a.b", "a*", "1.1"])
def test_a_name_is_taken_literally(name: str) -> None:
    via = Via(name)
    via.check(b"1.1 aXb, 1.1 aaa, 101 x")
    with pytest.raises(Refused):
        via.check(f"1.1 {name}".encode())


@pytest.mark.parametrize(("given", "passed_on"), [("1", "0"), ("10", "9"), ("999999999", "999999998")])
def test_max_forwards_counts_down_for_options(
    gateway: RunningGateway, upstream: RawUpstream, given: str, passed_on: str
) -> None:
    """RFC 9110 7.6.2."""
    with gateway.connect() as client:
        assert client.ask("OPTIONS /public/ HTTP/1.1", "Host: h", f"Max-Forwards: {given}").status == 200
    assert upstream.last.request_line == "OPTIONS /public/ HTTP/1.1"
    assert upstream.last.get("max-forwards") == passed_on


def test_max_forwards_means_nothing_to_other_methods(gateway: RunningGateway, upstream: RawUpstream) -> None:
    with gateway.connect() as client:
        assert client.ask("GET /public/ HTTP/1.1", "Host: h", "Max-Forwards: 0").status == 200
    assert upstream.last.get("max-forwards") == "0"


@pytest.mark.parametrize("path", ["/public/", "/api/", "/small/"])
def test_at_the_last_forward_the_gateway_answers_for_the_route(
    gateway: RunningGateway, upstream: RawUpstream, path: str
) -> None:
    with gateway.connect() as client:
        answer = client.ask(f"OPTIONS {path} HTTP/1.1", "Host: h", "Max-Forwards: 0")
        assert (answer.status, answer.get("allow"), answer.body) == (204, EVERY_METHOD, b"")
        assert client.ask("OPTIONS /readonly/ HTTP/1.1", "Host: h", "Max-Forwards: 0").status == 405
        assert client.ask("OPTIONS /none/ HTTP/1.1", "Host: h", "Max-Forwards: 0").status == 404
    assert upstream.requests == []


@pytest.mark.parametrize("value", ["-1", "+1", "1.0", "x", "", "1, 2", "9999999999", "²"])
def test_max_forwards_is_one_number(gateway: RunningGateway, upstream: RawUpstream, value: str) -> None:
    with gateway.connect() as client:
        answer = client.ask("OPTIONS /public/ HTTP/1.1", "Host: h", f"Max-Forwards: {value}")
        assert answer.problem["code"] == "bad_header"
    with gateway.connect() as client:
        twice = client.ask("OPTIONS /public/ HTTP/1.1", "Host: h", "Max-Forwards: 1", "Max-Forwards: 1")
        assert twice.problem["code"] == "bad_header"
    assert upstream.requests == []


def test_options_of_the_server_is_answered_by_the_gateway(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """RFC 9110 9.3.7; the connection goes on."""
    with gateway.connect() as client:
        for _ in range(2):
            answer = client.ask("OPTIONS * HTTP/1.1", "Host: h")
            assert (answer.status, answer.get("allow"), answer.body) == (204, EVERY_METHOD, b"")
            assert answer.get("x-request-id")
    assert upstream.requests == []


@pytest.mark.parametrize(
    "lines", [("OPTIONS * HTTP/1.1",), ("OPTIONS *?a HTTP/1.1", "Host: h"), ("OPTIONS ** HTTP/1.1", "Host: h")]
)
def test_what_only_looks_so_is_malformed(gateway: RunningGateway, lines: tuple[str, ...]) -> None:
    with gateway.connect() as client:
        assert client.ask(*lines).status == 400


@pytest.mark.parametrize("path", ["/public/", "/api/", "/readonly/", "/healthz"])
def test_trace_is_answered_by_nobody(gateway: RunningGateway, upstream: RawUpstream, path: str) -> None:
    """It would show a page what a browser sent for it. Max-Forwards changes nothing."""
    for forwards in ("0", "5"):
        with gateway.connect() as client:
            answer = client.ask(f"TRACE {path} HTTP/1.1", "Host: h", "Cookie: a=b", f"Max-Forwards: {forwards}")
        assert answer.status == 405
        assert "TRACE" not in (answer.get("allow") or "TRACE")
        assert b"a=b" not in answer.body
    assert upstream.requests == []


@pytest.mark.parametrize("target", ["example.org:443", "/public/", "*", "http://example.org/", "[::1]:22"])
def test_connect_opens_no_tunnel(gateway: RunningGateway, upstream: RawUpstream, target: str) -> None:
    """And nothing that follows is taken for HTTP."""
    with gateway.connect() as client:
        client.send(f"CONNECT {target} HTTP/1.1\r\nHost: h\r\n\r\nGET /public/ HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        answer = client.answer()
        assert (answer.status, answer.get("allow")) == (405, EVERY_METHOD)
        assert client.is_closed()
    assert upstream.requests == []
