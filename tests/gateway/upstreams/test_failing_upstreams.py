"""Addresses that fail and upstreams that answer nobody, as a client of the gateway sees them."""

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

[upstreams.half]
urls = ["http://127.0.0.1:1", "unix:/nonexistent/service.sock", "{second}"]
eject_after = 0

[upstreams.none]
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
class Stand:
    """A gateway, its clock, and two upstreams that answer "first" and "second" until told otherwise."""

    gateway: RunningGateway
    clock: MovableClock
    first: RawUpstream
    second: RawUpstream

    def statuses(self, target: str, times: int) -> list[int]:
        """Of so many requests, each on a connection of its own."""
        return [request_once(self.gateway, target).status for _ in range(times)]

    def move(self, seconds: float) -> None:
        """Time passes for the balancers, and the sweep, which looks ten times a second, has seen it."""
        self.clock.move(seconds)
        time.sleep(0.25)


@pytest.fixture
def stand(make_app: MakeApp, tmp_path: Path) -> Iterator[Stand]:
    with ExitStack() as stack:
        first, second = RawUpstream(), RawUpstream()
        stack.callback(first.stop)
        stack.callback(second.stop)
        first.begin(answering(ok(b"first")))
        second.begin(answering(ok(b"second")))
        routes = ROUTES.format(first=first.url, second=second.url)
        names = ("auth", "one", "two", "half", "none")
        (tmp_path / "routes.toml").write_text(routes + "".join(ROUTE.format(name=name) for name in names))
        clock = MovableClock()
        app = make_app(monotonic=clock, GATEWAY_ROUTES=str(tmp_path / "routes.toml"))
        yield Stand(stack.enter_context(running(app)), clock, first, second)


def post(client: RawClient, target: str, body: bytes) -> int:
    client.send(f"POST {target} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    client.send(b"%x\r\n%b\r\n" % (len(body), body))
    client.send(b"0\r\n\r\n")
    return client.answer("POST").status


def test_an_address_that_cannot_be_reached_costs_no_request(stand: Stand) -> None:
    """Whatever its method and body: nothing of it had been sent."""
    assert stand.statuses("/half/", 8) == [200] * 8
    with stand.gateway.connect() as client:
        assert [post(client, "/half/", b"body%d" % number) for number in range(8)] == [200] * 8
    assert [request.content() for request in stand.second.requests[8:]] == [b"body%d" % n for n in range(8)]


def test_an_address_that_resets_is_left_to_the_other(stand: Stand) -> None:
    """It may have worked on the request, which is therefore not repeated; but it is not given many."""
    stand.first.begin(resetting)
    statuses = stand.statuses("/two/", 40)
    assert statuses.count(502) == 3
    assert len(stand.first.requests) == 3
    stand.first.begin(answering(ok(b"first")))
    stand.move(2)
    assert stand.statuses("/two/", 20) == [200] * 20
    assert len(stand.first.requests) >= 8


def test_an_upstream_that_answers_nobody_is_let_alone_and_found_again(stand: Stand) -> None:
    stand.first.begin(silent)
    fault = 504
    assert stand.statuses("/one/", 2) == [fault] * 2
    answer = request_once(stand.gateway, "/one/")
    assert status_and_code(answer) == (503, "upstream_unavailable")
    assert answer.get("retry-after") in ("1", "2", "3", "4")
    assert len(stand.first.requests) == 2
    assert request_once(stand.gateway, "/two/").status in (
        200,
        fault,
    )  # same address, another circuit
    stand.move(1.5)
    assert stand.statuses("/one/", 2) == [fault, 503]
    stand.first.begin(answering(ok(b"first")))
    stand.move(3)
    assert stand.statuses("/one/", 5) == [200] * 5


MALFORMED = answering(b"this is no HTTP\r\n\r\n", then_close=True)


def breaking_off_at(path: str, fault: Script) -> Script:
    """Has `fault` answer what is asked at `path`, and answers the rest."""

    async def script(conversation: Conversation) -> None:
        if f" {path} " in conversation.request.request_line:
            return await fault(conversation)
        return await answering(ok())(conversation)

    return script


@pytest.mark.parametrize("fault", [resetting, closing, MALFORMED], ids=["reset", "closed", "malformed"])
def test_one_path_that_breaks_off_shuts_no_other(stand: Stand, fault: Script) -> None:
    """Whoever asks for it, and however often: it is a living service that breaks off."""
    stand.first.begin(breaking_off_at("/one/bad", fault))
    for _ in range(30):
        assert stand.statuses("/one/bad", 3) == [502] * 3
        assert stand.statuses("/one/good", 1) == [200]


@pytest.mark.parametrize("fault", [resetting, closing, MALFORMED], ids=["reset", "closed", "malformed"])
def test_after_an_outage_a_client_of_a_bad_path_keeps_nobody_out(stand: Stand, fault: Script) -> None:
    """Its requests are the first that reach the service again, and what they show is that it lives."""
    port = stand.first.port
    stand.first.stop()
    assert stand.statuses("/one/good", 3) == [502, 502, 503]
    again = RawUpstream(port=port)
    try:
        again.begin(breaking_off_at("/one/bad", fault))
        stand.move(1.6)
        for _ in range(20):
            assert stand.statuses("/one/bad", 3) == [502] * 3
            assert stand.statuses("/one/good", 3) == [200] * 3
    finally:
        again.stop()


def test_a_client_of_a_path_that_hangs_does_not_take_every_probe(stand: Stand) -> None:
    stand.first.begin(breaking_off_at("/one/bad", silent))
    assert stand.statuses("/one/bad", 3) == [504, 504, 503]
    stand.move(1.6)
    hanging = [RawClient(stand.gateway.port, "127.0.0.2") for _ in range(10)]
    for client in hanging:
        client.send(b"GET /one/bad HTTP/1.1\r\nHost: h\r\n\r\n")
    assert stand.gateway.has_met(len(hanging))
    assert stand.statuses("/one/good", 10) == [200] * 10
    for client in hanging:
        client.close()


def test_a_service_that_only_breaks_off_is_asked_every_time(stand: Stand) -> None:
    """On a kept connection as on a new one, and whatever the method."""

    async def first_only(conversation: Conversation) -> None:
        await conversation.read_body()
        await conversation.write(ok() if len(stand.first.requests) == 1 else b"HTTP/1.1 2")
        if len(stand.first.requests) > 1:
            conversation.close()

    stand.first.begin(first_only)
    assert stand.statuses("/one/", 1) == [200]
    said = []
    for _ in range(5):
        with stand.gateway.connect() as client:
            said.append(client.ask("POST /one/ HTTP/1.1", "Host: h", "Content-Length: 4", body=b"body"))
    assert [status_and_code(answer) for answer in said] == [(502, "upstream_failed")] * 5


def test_an_answer_of_any_status_is_an_answer(stand: Stand) -> None:
    """A 500 is the service's own word about one request: to shut it for everybody would be ours."""
    stand.first.begin(answering(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"))
    assert stand.statuses("/one/", 20) == [500] * 20


def test_where_nobody_can_be_reached_it_is_502_and_then_503(stand: Stand) -> None:
    assert stand.statuses("/none/", 7) == [502] * 5 + [503] * 2
    assert status_and_code(request_once(stand.gateway, "/none/")) == (503, "upstream_unavailable")


def test_the_auth_service_has_a_code_of_its_own(stand: Stand) -> None:
    for _ in range(7):
        answer = request_once(stand.gateway, "/auth/")
        assert status_and_code(answer) == (503, "auth_unavailable")
        assert int(answer.get("retry-after") or 0) >= 1


def test_a_client_cannot_shut_a_service(stand: Stand) -> None:
    """Bodies that never come, and clients that hang up, are no failures of the upstream."""

    async def slow(conversation: Conversation) -> None:
        if conversation.request.request_line.startswith("POST"):
            await conversation.wait_for_close()
        else:
            await conversation.write(ok())

    stand.first.begin(slow)
    for _ in range(3):
        with stand.gateway.connect() as client:
            client.send(
                b"POST /one/ HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n" + bytes(REQUEST_BUFFER_BYTES + 1)
            )
            assert client.answer("POST").status == 408
        with stand.gateway.connect() as client:
            client.send(b"POST /one/ HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nfull")
            while len(stand.first.requests) % 2:
                time.sleep(0.005)  # until it is on its way
        assert stand.first.requests[-1].closed.wait(WAIT)
    assert request_once(stand.gateway, "/one/").status == 200
