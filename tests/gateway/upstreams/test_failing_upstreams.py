"""Failing addresses and upstreams, as a client of the gateway sees them."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.proxy.request_body import REQUEST_BUFFER_BYTES
from tests.clocks import MovableClock
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawClient
from tests.gateway.raw_upstream import (
    WAIT,
    Conversation,
    RawUpstream,
    Script,
    answering,
    closing,
    ok,
    resetting,
    silent,
)
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.single_requests import request_once, status_and_code

ROUTES = """
[upstreams.auth]
urls = ["http://127.0.0.1:1"]

[upstreams.one]
urls = ["{first}"]
break_after = 2

[upstreams.two]
urls = ["{first}", "{second}"]

[upstreams.partly-reachable]
urls = ["http://127.0.0.1:1", "unix:/nonexistent/service.sock", "{second}"]
eject_after = 0

[upstreams.unreachable]
urls = ["http://127.0.0.1:1", "unix:/nonexistent/service.sock"]
"""
ROUTE = """
[[routes]]
prefix = "/{name}/"
upstream = "{name}"
access = "public"
timeout = {{ connect = 1, read = 0.15, total = 0.3 }}
"""


@dataclass(frozen=True, slots=True)
class Setup:
    """A gateway, its clock, and two services that respond "first" and "second" by default."""

    gateway: RunningGateway
    clock: MovableClock
    first: RawUpstream
    second: RawUpstream

    def statuses(self, target: str, times: int) -> list[int]:
        """Return the statuses of consecutive requests, each on a new connection."""
        return [request_once(self.gateway, target).status for _ in range(times)]

    def move(self, seconds: float) -> None:
        """Advance the balancers' clock, and wait for the sweep, which runs ten times a second."""
        self.clock.move(seconds)
        time.sleep(0.25)


@pytest.fixture
def setup(make_app: MakeApp, tmp_path: Path) -> Iterator[Setup]:
    with ExitStack() as stack:
        first, second = RawUpstream(), RawUpstream()
        stack.callback(first.stop)
        stack.callback(second.stop)
        first.begin(answering(ok(b"first")))
        second.begin(answering(ok(b"second")))
        routes = ROUTES.format(first=first.url, second=second.url)
        names = ("auth", "one", "two", "partly-reachable", "unreachable")
        (tmp_path / "routes.toml").write_text(routes + "".join(ROUTE.format(name=name) for name in names))
        clock = MovableClock()
        app = make_app(monotonic=clock, GATEWAY_ROUTES=str(tmp_path / "routes.toml"))
        yield Setup(stack.enter_context(running(app)), clock, first, second)


def post(client: RawClient, target: str, body: bytes) -> int:
    client.send(f"POST {target} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    client.send(b"%x\r\n%b\r\n" % (len(body), body))
    client.send(b"0\r\n\r\n")
    return client.read_response("POST").status


def test_an_unreachable_address_loses_no_request(setup: Setup) -> None:
    """Any request, with a body or not, is sent to another address: the first one received nothing."""
    assert setup.statuses("/partly-reachable/", 8) == [200] * 8
    with setup.gateway.connect() as client:
        assert [post(client, "/partly-reachable/", b"body%d" % number) for number in range(8)] == [200] * 8
    assert [request.content() for request in setup.second.requests[8:]] == [b"body%d" % n for n in range(8)]


def test_an_address_that_resets_connections_is_ejected(setup: Setup) -> None:
    """It may have processed the request, so the request is not repeated: three get a 502."""
    setup.first.begin(resetting)
    statuses = setup.statuses("/two/", 40)
    assert statuses.count(502) == 3
    assert len(setup.first.requests) == 3
    setup.first.begin(answering(ok(b"first")))
    setup.move(2)
    assert setup.statuses("/two/", 20) == [200] * 20
    assert len(setup.first.requests) >= 8


def test_requests_to_a_silent_upstream_get_503_at_once_until_it_responds_to_a_probe(setup: Setup) -> None:
    setup.first.begin(silent)
    assert setup.statuses("/one/", 2) == [504] * 2
    response = request_once(setup.gateway, "/one/")
    assert status_and_code(response) == (503, "upstream_unavailable")
    assert response.get("retry-after") in ("1", "2", "3", "4")  # an open circuit: 2 s, at most doubled by jitter
    assert len(setup.first.requests) == 2
    assert request_once(setup.gateway, "/two/").status in (200, 504)  # same address, another circuit
    setup.move(1.5)
    assert setup.statuses("/one/", 2) == [504, 503]
    setup.first.begin(answering(ok(b"first")))
    setup.move(3)
    assert setup.statuses("/one/", 5) == [200] * 5


MALFORMED = answering(b"this is no HTTP\r\n\r\n", then_close=True)


def failing_at(path: str, fault: Script) -> Script:
    """Return a script that responds with `fault` at `path`, and with 200 elsewhere."""

    async def script(conversation: Conversation) -> None:
        if f" {path} " in conversation.request.request_line:
            return await fault(conversation)
        return await answering(ok())(conversation)

    return script


@pytest.mark.parametrize("fault", [resetting, closing, MALFORMED], ids=["reset", "closed", "malformed"])
def test_a_path_whose_responses_are_cut_off_does_not_block_other_paths(setup: Setup, fault: Script) -> None:
    setup.first.begin(failing_at("/one/bad", fault))
    for _ in range(30):
        assert setup.statuses("/one/bad", 3) == [502] * 3
        assert setup.statuses("/one/good", 1) == [200]


@pytest.mark.parametrize("fault", [resetting, closing, MALFORMED], ids=["reset", "closed", "malformed"])
def test_after_an_outage_a_client_of_a_failing_path_does_not_keep_the_circuit_open(
    setup: Setup, fault: Script
) -> None:
    """Its requests are the first to reach the service again, and the cut-off responses are a sign of life."""
    port = setup.first.port
    setup.first.stop()
    assert setup.statuses("/one/good", 3) == [502, 502, 503]
    restarted = RawUpstream(port=port)
    try:
        restarted.begin(failing_at("/one/bad", fault))
        setup.move(1.6)
        for _ in range(20):
            assert setup.statuses("/one/bad", 3) == [502] * 3
            assert setup.statuses("/one/good", 3) == [200] * 3
    finally:
        restarted.stop()


def test_a_client_of_a_path_that_hangs_does_not_use_every_probe(setup: Setup) -> None:
    setup.first.begin(failing_at("/one/bad", silent))
    assert setup.statuses("/one/bad", 3) == [504, 504, 503]
    setup.move(1.6)
    hanging = [RawClient(setup.gateway.port, "127.0.0.2") for _ in range(10)]
    for client in hanging:
        client.send(b"GET /one/bad HTTP/1.1\r\nHost: h\r\n\r\n")
    assert setup.gateway.wait_for_clients(len(hanging))
    assert setup.statuses("/one/good", 10) == [200] * 10
    for client in hanging:
        client.close()


def test_a_service_whose_responses_are_all_cut_off_gets_every_request(setup: Setup) -> None:
    async def first_only(conversation: Conversation) -> None:
        await conversation.read_body()
        await conversation.write(ok() if len(setup.first.requests) == 1 else b"HTTP/1.1 2")
        if len(setup.first.requests) > 1:
            conversation.close()

    setup.first.begin(first_only)
    assert setup.statuses("/one/", 1) == [200]
    responses = []
    for _ in range(5):
        with setup.gateway.connect() as client:
            responses.append(client.request("POST /one/ HTTP/1.1", "Host: h", "Content-Length: 4", body=b"body"))
    assert [status_and_code(response) for response in responses] == [(502, "upstream_failed")] * 5
    assert len(setup.first.requests) == 6


def test_a_500_is_no_failure_of_the_upstream(setup: Setup) -> None:
    """A 500 is a response to one request."""
    setup.first.begin(answering(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"))
    assert setup.statuses("/one/", 20) == [500] * 20


def test_requests_to_an_unreachable_upstream_get_502_and_then_503(setup: Setup) -> None:
    assert setup.statuses("/unreachable/", 7) == [502] * 5 + [503] * 2
    assert status_and_code(request_once(setup.gateway, "/unreachable/")) == (503, "upstream_unavailable")


def test_the_auth_service_has_its_own_error_code(setup: Setup) -> None:
    for _ in range(7):
        response = request_once(setup.gateway, "/auth/")
        assert status_and_code(response) == (503, "auth_unavailable")
        assert int(response.get("retry-after") or 0) >= 1


def test_a_client_cannot_open_a_circuit(setup: Setup) -> None:
    """Bodies that clients do not send, and clients that disconnect, are no failures of the upstream."""

    async def slow(conversation: Conversation) -> None:
        if conversation.request.request_line.startswith("POST"):
            await conversation.wait_for_close()
        else:
            await conversation.write(ok())

    setup.first.begin(slow)
    for _ in range(3):
        with setup.gateway.connect() as client:
            client.send(
                b"POST /one/ HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n" + bytes(REQUEST_BUFFER_BYTES + 1)
            )
            assert client.read_response("POST").status == 408
        with setup.gateway.connect() as client:
            client.send(b"POST /one/ HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nfull")
            while len(setup.first.requests) % 2:
                time.sleep(0.005)  # until the upstream has it
        assert setup.first.requests[-1].closed.wait(WAIT)
    assert request_once(setup.gateway, "/one/").status == 200
