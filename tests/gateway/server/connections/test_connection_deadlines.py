"""Clients that send or read slowly are closed at a deadline, and do not delay others."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.server.connection_deadlines import MIN_BODY_RATE, ClientTimeouts
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawClient
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.server.in_memory import MemoryConnection
from tests.slow_clients import SLOW_HEADS, run_slow_clients, slow_bodies

TIMEOUTS = ClientTimeouts()
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"

# --- with a clock that the test moves ----------------------------------------------------------------------------


def test_a_connection_that_sends_nothing_is_closed_without_a_response() -> None:
    connection = MemoryConnection()
    connection.wait(TIMEOUTS.head)
    assert connection.state == "open"
    connection.wait(0.1)
    assert (connection.state, connection.transport.sent) == ("eof", b"")


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nX: " + b"x" * 100, b"\r\n" * 100], ids=["head", "empty lines"])
def test_a_head_sent_byte_by_byte_does_not_extend_its_deadline(data: bytes) -> None:
    connection = MemoryConnection()
    for byte in data[: int(TIMEOUTS.head)]:
        connection.send(bytes([byte]))
        connection.wait(1)
    assert connection.state == "open"
    connection.wait(0.1)
    assert connection.state == "eof"


def test_an_incomplete_head_is_a_408() -> None:
    connection = MemoryConnection()
    connection.send(GET[:20])
    connection.wait(TIMEOUTS.head + 0.1)
    assert connection.transport.sent.startswith(b"HTTP/1.1 408 ")
    assert connection.app.refused == ["request_timeout"]


def test_each_request_of_a_connection_has_its_own_deadline() -> None:
    connection = MemoryConnection()
    for _ in range(3):
        connection.send(GET)
        connection.respond()
        connection.wait(TIMEOUTS.head + 1)
        assert connection.state == "open"
        connection.send(GET[:20])
        connection.wait(TIMEOUTS.head - 1)
        connection.send(GET[20:])
        connection.respond()
    assert connection.transport.sent.count(b"HTTP/1.1 200 ") == 6


def test_a_pause_within_a_body_ends_the_request() -> None:
    connection = MemoryConnection()
    connection.send(POST + b"stopped here")
    connection.wait(TIMEOUTS.body)
    assert connection.state == "open"
    connection.wait(0.1)
    assert connection.app.cycles[0].disconnected
    assert connection.app.refused == ["request_timeout"]


def seconds_until_refused(connection: MemoryConnection, bytes_a_second: int) -> int:
    """Return the seconds for which a body of this rate is accepted, at most a hundred."""
    for second in range(100):
        if connection.app.refused:
            return second
        connection.send(b"x" * bytes_a_second)
        connection.wait(1)
    return 100


@pytest.mark.parametrize(("rate", "is_accepted"), [(MIN_BODY_RATE, True), (MIN_BODY_RATE // 2, False), (1, False)])
def test_a_body_must_have_a_minimum_rate(rate: int, is_accepted: bool) -> None:
    connection = MemoryConnection()
    connection.send(POST)
    assert (seconds_until_refused(connection, rate) == 100) is is_accepted


def test_after_the_response_has_started_a_body_may_be_slow() -> None:
    """The client may wait for parts of the response. Then only a pause ends the request."""
    connection = MemoryConnection()
    connection.send(POST)
    asyncio.run(connection.app.cycles[0].send({"type": "http.response.start", "status": 200}))
    assert seconds_until_refused(connection, 1) == 100
    connection.wait(TIMEOUTS.body)
    assert connection.app.refused == ["request_timeout"]


def test_a_pause_in_which_the_gateway_does_not_read_does_not_count_against_the_client() -> None:
    """A slow service makes the client wait, so the client is not slow."""
    connection = MemoryConnection()
    connection.send(POST + b"x" * 90_000)
    assert not connection.transport.is_reading()
    for _ in range(60):
        connection.loop.move(1)
    connection.protocol.client_transport.resume_reading()
    connection.wait(TIMEOUTS.body)
    assert connection.app.refused == []
    connection.wait(0.1)
    assert connection.app.refused == ["request_timeout"]


def test_a_client_that_does_not_read_is_closed() -> None:
    connection = MemoryConnection()
    connection.send(GET)
    connection.protocol.pause_writing()
    connection.wait(TIMEOUTS.write)
    assert connection.state == "open"
    connection.protocol.resume_writing()
    connection.wait(TIMEOUTS.write + 1)
    assert connection.state == "open"
    connection.protocol.pause_writing()
    connection.wait(TIMEOUTS.write + 1)
    assert connection.state == "aborted"


def test_an_idle_connection_is_closed_after_the_keep_alive_timeout() -> None:
    connection = MemoryConnection(keep_alive=5)
    connection.send(GET)
    connection.wait(60)
    assert connection.state == "open", "a connection with a request is not idle"
    connection.respond()
    connection.wait(5)
    assert connection.state == "open"
    connection.wait(0.1)
    assert connection.state == "eof"


# --- over sockets ------------------------------------------------------------------------------------------------

SWEEP = 1.0
"""Seconds between two sweeps of the deadlines."""


SHORT_TIMEOUTS = ClientTimeouts(head=0.4, body=0.4, write=0.4)


@pytest.fixture(scope="module")
def short_timeouts(make_app: MakeApp) -> Iterator[RunningGateway]:
    with running(make_app(), SHORT_TIMEOUTS) as gateway:
        yield gateway


def seconds_until_closed(client: RawClient, slow_data: bytes = b"") -> float:
    """Return the seconds until the server closes the connection, while `slow_data` is sent byte by byte."""
    start = time.monotonic()
    client.socket.settimeout(0.05)
    remaining = iter(slow_data)
    while time.monotonic() - start < WAIT:
        try:
            if (byte := next(remaining, None)) is not None:
                client.send(bytes([byte]))
            if not client.socket.recv(65_536):
                break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    return time.monotonic() - start


SLOW = {
    # What the client sends at once, and what it then sends byte by byte.
    "nothing": (b"", b""),
    "a head, byte by byte": (b"", b"GET /public/ HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 500),
    "empty lines, byte by byte": (b"", b"\r\n" * 500),
    "half a head": (b"GET /public/ HTTP/1.1\r\nHost: h\r\nX: y", b""),
    "a body, byte by byte": (b"POST /public/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n", b"x" * 500),
    "a body for an endpoint, byte by byte": (
        b"POST /session/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n",
        b"x" * 500,
    ),
    "a streamed body, byte by byte": (
        b"POST /conversation/ HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n",
        b"x" * 98,
    ),
    "half a body": (b"POST /public/ HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nstopped here", b""),
    "half a chunk": (b"POST /public/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nst", b""),
    "half a body for an endpoint": (b"POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nstopped", b""),
}


def test_slow_clients_are_closed_at_the_deadline_and_others_are_served(
    short_timeouts: RunningGateway, upstream: RawUpstream
) -> None:
    def seconds(name: str) -> float:
        at_once, slow_data = SLOW[name]
        with short_timeouts.connect() as slow:
            slow.send(at_once)
            return seconds_until_closed(slow, slow_data)

    with ThreadPoolExecutor(len(SLOW)) as threads, short_timeouts.connect() as other:
        waiting = threads.map(seconds, SLOW)
        assert other.request("GET /public/ HTTP/1.1", "Host: h").status == 200
        seconds_open = dict(zip(SLOW, waiting, strict=True))
    assert {name: took for name, took in seconds_open.items() if took > SHORT_TIMEOUTS.head + SWEEP + 0.5} == {}


def test_a_body_that_is_incomplete_at_the_routes_total_timeout_is_refused(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    """This timeout passes before the deadline of the body. The service receives no request."""
    with gateway.connect() as slow:
        slow.send(b"POST /short-total-timeout/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nthe beginning")
        response = slow.read_response("POST")
        assert (response.status, response.problem["code"]) == (408, "request_timeout")
        assert slow.is_closed()
    assert upstream.requests == []


def test_a_client_that_does_not_read_frees_its_upstream_connection(
    short_timeouts: RunningGateway, upstream: RawUpstream
) -> None:
    async def script(conversation: Conversation) -> None:
        try:
            await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 64000000\r\n\r\n" + bytes(64_000_000))
        except ConnectionError:
            conversation.request.closed.set()

    upstream.begin(script)
    with short_timeouts.connect() as slow:
        slow.send(b"GET /public/ HTTP/1.1\r\nHost: h\r\n\r\n")
        assert upstream_is_released(upstream)


def test_four_hundred_slow_clients_do_not_slow_others_down(
    short_timeouts: RunningGateway, upstream: RawUpstream
) -> None:
    """They send byte by byte until the gateway closes their connections."""
    upstream.begin(answering(ok()))
    kinds = {**SLOW_HEADS, **slow_bodies("/public/"), **dict([*slow_bodies("/session/").items()][:1])}
    with ThreadPoolExecutor(1) as thread, short_timeouts.connect() as other:
        waiting = thread.submit(asyncio.run, run_slow_clients(short_timeouts.port, kinds, 400, 0.2))
        seconds = []
        while not waiting.done():
            start = time.monotonic()
            assert other.request("GET /public/ HTTP/1.1", "Host: h").status == 200
            assert other.request("GET /healthz HTTP/1.1", "Host: h").status == 200
            seconds.append(time.monotonic() - start)
    clients = waiting.result()
    assert len(clients) == 400
    assert {one.kind: one.seconds for one in clients if one.seconds > SHORT_TIMEOUTS.head + SWEEP + 1} == {}
    assert sorted(seconds)[int(len(seconds) * 0.99)] < 1
    assert all(request.request_line.startswith("GET") for request in upstream.requests), (
        "an incomplete request reached the service"
    )


def upstream_is_released(upstream: RawUpstream) -> bool:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        if upstream.requests and upstream.last.closed.wait(0.05):
            return True
    return False
