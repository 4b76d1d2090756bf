"""Clients that send or take slowly are closed at a deadline, and hold nobody up meanwhile (R34)."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.server.connection_deadlines import MIN_BODY_RATE, ClientTimeouts
from gateway.server.http_protocol import ServerProtocol
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawClient
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running
from tests.slow_clients import SLOW_HEADS, crowd, slow_bodies

SWEEP = 1.0
"""Seconds between two looks at the deadlines."""


class Hasty(ServerProtocol):
    """The same protocol, with less patience."""

    timeouts = ClientTimeouts(head=0.4, body=0.4, write=0.4)


@pytest.fixture(scope="module")
def hasty(make_app: MakeApp) -> Iterator[RunningGateway]:
    with running(make_app(), Hasty) as gateway:
        yield gateway


def seconds_until_closed(client: RawClient, dripping: bytes = b"") -> float:
    """How long the server keeps the connection, while `dripping` is sent byte by byte."""
    begun = time.monotonic()
    client.socket.settimeout(0.05)
    drops = iter(dripping)
    while time.monotonic() - begun < WAIT:
        try:
            if (drop := next(drops, None)) is not None:
                client.send(bytes([drop]))
            if not client.socket.recv(65_536):
                break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    return time.monotonic() - begun


SLOW = {
    "nothing": (b"", b""),
    "a dripping head": (b"", b"GET /public/ HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 500),
    "dripping empty lines": (b"", b"\r\n" * 500),
    "half a head": (b"GET /public/ HTTP/1.1\r\nHost: h\r\nX: y", b""),
    "a dripping body": (b"POST /public/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n", b"x" * 500),
    "a dripping body for us": (b"POST /session/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n", b"x" * 500),
    "a dripping stream": (b"POST /conversation/ HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n", b"x" * 98),
    "half a body": (b"POST /public/ HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nstopped here", b""),
    "half a chunk": (b"POST /public/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nst", b""),
    "half a body for us": (b"POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nstopped", b""),
}


def test_a_slow_client_is_closed_at_the_deadline_and_others_are_served(
    hasty: RunningGateway, upstream: RawUpstream
) -> None:
    def seconds(name: str) -> float:
        at_once, dripping = SLOW[name]
        with hasty.connect() as slow:
            slow.send(at_once)
            return seconds_until_closed(slow, dripping)

    with ThreadPoolExecutor(len(SLOW)) as threads, hasty.connect() as other:
        waiting = threads.map(seconds, SLOW)
        assert other.ask("GET /public/ HTTP/1.1", "Host: h").status == 200
        kept = dict(zip(SLOW, waiting, strict=True))
    assert {name: took for name, took in kept.items() if took > Hasty.timeouts.head + SWEEP + 0.5} == {}


def test_a_body_that_is_not_whole_in_the_routes_total_time_is_refused(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    """Where it comes fast enough otherwise; the service is not asked."""
    with gateway.connect() as slow:
        slow.send(b"POST /brief/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nthe beginning")
        answer = slow.answer("POST")
        assert (answer.status, answer.problem["code"]) == (408, "request_timeout")
        assert slow.is_closed()
    assert upstream.requests == []


def send_steadily(client: RawClient, size: int, seconds: float) -> None:
    """So many bytes, a few at a time."""
    steps = int(seconds / 0.05)
    for _ in range(steps):
        client.send(b"x" * (size // steps))
        time.sleep(0.05)  # it is the pace that is looked at
    client.send(b"x" * (size - size // steps * steps))


def test_a_slow_but_steady_body_is_taken(hasty: RunningGateway, upstream: RawUpstream) -> None:
    """A slow line is no attack: twice the least that is asked of it is enough."""
    seconds = Hasty.timeouts.body + SWEEP + 0.6
    size = int(2 * MIN_BODY_RATE * seconds)
    with hasty.connect() as client:
        client.send(b"POST /public/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        send_steadily(client, size, seconds)
        assert client.answer("POST").status == 200
    assert len(upstream.last.body) == size


def test_in_a_conversation_nobody_has_to_say_much(hasty: RunningGateway, upstream: RawUpstream) -> None:
    """Once the answer has begun, the client may send as little as it has to say."""

    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"[:-1])
        await conversation.read_body()
        await conversation.write(b"o")

    upstream.begin(script)
    with hasty.connect() as client:
        client.send(b"POST /conversation/ HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nx")
        send_steadily(client, 49, Hasty.timeouts.body + SWEEP + 0.6)
        assert client.answer("POST").body == b"hello"


def test_a_client_that_was_not_listened_to_is_not_slow(hasty: RunningGateway, upstream: RawUpstream) -> None:
    """It waits for a service that takes its time."""
    size = 2**24

    async def script(conversation: Conversation) -> None:
        await asyncio.sleep(Hasty.timeouts.body + SWEEP + 0.6)
        await conversation.read_body()
        await conversation.write(ok())

    upstream.begin(script)
    with hasty.connect() as client:
        client.send(b"POST /public/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
        assert client.answer("POST").status == 200


def test_a_client_that_takes_nothing_is_closed(hasty: RunningGateway, upstream: RawUpstream) -> None:
    """Otherwise it would hold its upstream connection for ever."""

    async def script(conversation: Conversation) -> None:
        try:
            await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 64000000\r\n\r\n" + bytes(64_000_000))
        except ConnectionError:
            conversation.request.closed.set()

    upstream.begin(script)
    with hasty.connect() as slow:
        slow.send(b"GET /public/ HTTP/1.1\r\nHost: h\r\n\r\n")
        assert upstream_is_let_go(upstream)


def test_a_kept_connection_is_closed_when_it_idles_too_long(make_app: MakeApp, upstream: RawUpstream) -> None:
    with running(make_app(), keep_alive=1) as gateway, gateway.connect() as client:
        assert client.ask("GET /public/ HTTP/1.1", "Host: h").status == 200
        assert 0.5 < seconds_until_closed(client) < 1 + SWEEP + 0.5


def test_a_connection_that_is_in_use_is_not_idle(hasty: RunningGateway, upstream: RawUpstream) -> None:
    """Each request has its own deadline; the answer's time is the upstream's."""
    with hasty.connect() as client:
        for _ in range(3):
            assert client.ask("GET /public/ HTTP/1.1", "Host: h").status == 200
            time.sleep(0.6)  # longer than a head may take


def test_four_hundred_slow_clients_do_not_slow_the_others_down(hasty: RunningGateway, upstream: RawUpstream) -> None:
    """They go on dripping until they are closed."""
    upstream.begin(answering(ok()))
    kinds = {**SLOW_HEADS, **slow_bodies("/public/"), **dict([*slow_bodies("/session/").items()][:1])}
    with ThreadPoolExecutor(1) as thread, hasty.connect() as other:
        waiting = thread.submit(asyncio.run, crowd(hasty.port, kinds, 400, 0.2))
        took = []
        while not waiting.done():
            begun = time.monotonic()
            assert other.ask("GET /public/ HTTP/1.1", "Host: h").status == 200
            assert other.ask("GET /healthz HTTP/1.1", "Host: h").status == 200
            took.append(time.monotonic() - begun)
    kept = waiting.result()
    assert len(kept) == 400
    assert {one.kind: one.seconds for one in kept if one.seconds > Hasty.timeouts.head + SWEEP + 1} == {}
    assert sorted(took)[int(len(took) * 0.99)] < 1
    assert all(request.request_line.startswith("GET") for request in upstream.requests), "a drip reached the service"


def upstream_is_let_go(upstream: RawUpstream) -> bool:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        if upstream.requests and upstream.last.closed.wait(0.05):
            return True
    return False
