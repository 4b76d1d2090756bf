"""Clients that send or take slowly are closed at a deadline, and hold nobody up meanwhile (R34)."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.clients.server_protocol import ServerProtocol
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawClient
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running

SWEEP = 1.0
"""Seconds between two looks at the deadlines."""


class Hasty(ServerProtocol):
    """The same protocol, with less patience."""

    head_timeout = 0.4
    body_timeout = 0.4
    write_timeout = 0.4


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
    assert {name: took for name, took in kept.items() if took > Hasty.head_timeout + SWEEP + 0.5} == {}


def test_a_dripping_body_ends_with_the_routes_total_time(hasty: RunningGateway, upstream: RawUpstream) -> None:
    with hasty.connect() as slow:
        slow.send(b"POST /brief/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n")
        assert seconds_until_closed(slow, b"x" * 1_000) < 0.4 + 1.0
        assert upstream.last.gone.wait(0) or len(upstream.last.body) < 1_000


def test_a_client_that_takes_nothing_is_closed(hasty: RunningGateway, upstream: RawUpstream) -> None:
    """Otherwise it would hold its upstream connection for ever."""

    async def script(conversation: Conversation) -> None:
        try:
            await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 64000000\r\n\r\n" + bytes(64_000_000))
        except ConnectionError:
            conversation.request.gone.set()

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


def test_many_slow_clients_do_not_slow_the_others_down(hasty: RunningGateway, upstream: RawUpstream) -> None:
    upstream.begin(answering(ok()))
    slow = [hasty.connect() for _ in range(400)]
    for client in slow[::2]:
        client.send(b"GET /public/ HTTP/1.1\r\nX: ")
    for client in slow[1::2]:
        client.send(b"POST /public/ HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n")
    took = []
    with hasty.connect() as other:
        for _ in range(100):
            begun = time.monotonic()
            assert other.ask("GET /public/ HTTP/1.1", "Host: h").status == 200
            took.append(time.monotonic() - begun)
    for client in slow:
        assert seconds_until_closed(client) < Hasty.head_timeout + SWEEP + 1
        client.close()
    assert sorted(took)[98] < 1


def upstream_is_let_go(upstream: RawUpstream) -> bool:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        if upstream.requests and upstream.last.gone.wait(0.05):
            return True
    return False
