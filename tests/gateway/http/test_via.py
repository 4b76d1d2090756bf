"""The Via field (RFC 9110 7.6.3): the gateway adds itself, and refuses a request that has passed it before."""

from collections.abc import Iterator

import pytest

from contract.problems import Refused
from gateway.http.via import Via
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway, running

CHAINS = {
    "none": ([], "1.1 sallyport"),
    "one": (["1.0 fred"], "1.0 fred, 1.1 sallyport"),
    "several": (
        ["1.0 fred, 1.1 p.example:80 (Apache/1.1)", "2 h"],
        "1.0 fred, 1.1 p.example:80 (Apache/1.1), 2 h, 1.1 sallyport",
    ),
    "a similar name": (
        ["1.1 sallyport2, 1.1 the-sallyport"],
        "1.1 sallyport2, 1.1 the-sallyport, 1.1 sallyport",
    ),
    "the name in a comment": (["1.1 fred (sallyport)"], "1.1 fred (sallyport), 1.1 sallyport"),
    "malformed": (["\x80\xff"], "1.1 sallyport"),
    "empty": ([""], "1.1 sallyport"),
}


@pytest.mark.parametrize(("received", "forwarded"), CHAINS.values(), ids=CHAINS)
def test_the_gateway_adds_itself_to_via(
    gateway: RunningGateway, upstream: RawUpstream, received: list[str], forwarded: str
) -> None:
    with gateway.connect() as client:
        fields = [f"Via: {value}" for value in received]
        assert client.request("GET /public/ HTTP/1.1", "Host: h", *fields).status == 200
    assert upstream.last.get("via") == forwarded


def test_via_contains_the_version_of_the_request(gateway: RunningGateway, upstream: RawUpstream) -> None:
    with gateway.connect() as client:
        assert client.request("GET /public/ HTTP/1.0").status == 200
    assert upstream.last.get("via") == "1.0 sallyport"


LOOPS = ["1.1 sallyport", "1.0 fred, 1.1 sallyport, 1.1 other", "HTTP/1.1\tSallyPort (us)", "1.1 a,1.1 sallyport"]


@pytest.mark.parametrize("via", LOOPS)
def test_a_forwarding_loop_is_refused(gateway: RunningGateway, upstream: RawUpstream, via: str) -> None:
    with gateway.connect() as client:
        response = client.request("GET /api/ HTTP/1.1", "Host: h", f"Via: {via}")
    assert (response.status, response.problem["code"]) == (508, "loop_detected")
    assert upstream.requests == []


@pytest.fixture(scope="module")
def chained_gateways(make_app: MakeApp) -> Iterator[tuple[RunningGateway, RunningGateway]]:
    """A gateway named `outer` whose upstream is a gateway with the default name."""
    with running(make_app()) as inner, running(make_app(RESOURCE_URL=inner.url, GATEWAY_NAME="outer")) as outer:
        yield outer, inner


def test_gateways_of_different_names_can_be_chained(
    chained_gateways: tuple[RunningGateway, RunningGateway], upstream: RawUpstream
) -> None:
    outer, _ = chained_gateways
    with outer.connect() as client:
        assert client.request("GET /public/ HTTP/1.1", "Host: h", "Via: 1.1 fred").status == 200
        assert (
            client.request("GET /public/ HTTP/1.1", "Host: h", "Via: 1.1 sallyport").problem["code"]
            == "loop_detected"
        )
    assert upstream.last.get("via") == "1.1 fred, 1.1 outer, 1.1 sallyport"


@pytest.mark.parametrize("name", ["a.b", "a*", "1.1"])
def test_the_name_is_not_used_as_a_regular_expression(name: str) -> None:
    via = Via(name)
    via.check(b"1.1 aXb, 1.1 aaa, 101 x")
    with pytest.raises(Refused):
        via.check(f"1.1 {name}".encode())
