"""With max_concurrent, a route limits its requests in flight; `queue` is the number of requests that may wait."""

import asyncio
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clocks import ShiftedClock
from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, Script, answering, ok
from tests.gateway.routes_toml import route_table, routes_toml, upstream_table
from tests.gateway.routing.conftest import send
from tests.gateway.running_gateway import RunningGateway, running

ROUTES = routes_toml(
    upstream_table("notes", identity=False),
    upstream_table("members", identity_secret_env="NOTES_SECRET"),
    upstream_table("connection-refused", "http://127.0.0.1:1", identity=False),
    route_table("/two/", "public", max_concurrent=2),
    route_table("/short-read-timeout/", "public", max_concurrent=2, timeout={"read": 0.2}),
    route_table("/connection-refused/", "public", upstream="connection-refused", max_concurrent=1),
    route_table("/queued/", "public", max_concurrent=1, queue=2),
    route_table("/short-wait/", "public", max_concurrent=1, queue=10, max_wait=0.2),
    route_table("/members/", upstream="members", max_concurrent=1, queue=10),
    route_table("/unlimited/", "public"),
)


SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"
"""A response that announces nine bytes and has five."""


class ResponseOnRelease:
    """An upstream's script that responds to all requests once the test sets `released`."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self.released = threading.Event()

    async def __call__(self, conversation: Conversation) -> None:
        await conversation.read_body()
        self.arrived.release()
        await asyncio.to_thread(self.released.wait, WAIT)
        await conversation.write(ok())


def with_idle_connection(gateway: RunningGateway, upstream: RawUpstream, script: Script) -> None:
    """Let the upstream respond by `script`, after an idle connection exists: a buffered exchange needs one."""
    upstream.begin()
    assert send(gateway, "/unlimited/").status == 200
    upstream.begin_answering(script)


@pytest.mark.parametrize("body", [b"", b"x"])
def test_a_request_above_the_limit_is_refused_at_once_and_other_routes_are_not_affected(
    served: RunningGateway, upstream: RawUpstream, body: bytes
) -> None:
    """In a buffered exchange (without a body) and in an exchange in a task (with a body)."""
    with_idle_connection(served, upstream, script := ResponseOnRelease())
    with ThreadPoolExecutor(4) as pool:
        paths = ("/two/", "/two/", "/unlimited/")
        in_flight = [pool.submit(send, served, path, "POST", body) for path in paths]
        for _ in in_flight:
            assert script.arrived.acquire(timeout=WAIT)
        refused = send(served, "/two/", "POST", body)
        unlimited = pool.submit(send, served, "/unlimited/", "POST", body)
        script.released.set()
        assert unlimited.result().status == 200
        assert [sending.result().status for sending in in_flight] == [200, 200, 200]
    assert (refused.status, refused.problem["code"]) == (503, "route_busy")
    assert refused.get("retry-after") in ("1", "2")
    assert send(served, "/two/").status == 200


@pytest.mark.parametrize("raw", [b"", SHORT, b"no HTTP at all\r\n\r\n"], ids=["silent", "cut off", "malformed"])
def test_a_failed_request_releases_its_slot(served: RunningGateway, upstream: RawUpstream, raw: bytes) -> None:
    """In a buffered exchange and in an exchange in a task."""
    for body in (b"", b"x"):
        with_idle_connection(served, upstream, answering(raw, then_close=bool(raw)))
        for _ in range(3):
            response = send(served, "/short-read-timeout/", "POST", body)
            assert response.status in (502, 504) or not response.is_complete
    upstream.begin()
    assert send(served, "/short-read-timeout/").status == 200


def test_a_request_to_an_unreachable_upstream_releases_its_slot(served: RunningGateway) -> None:
    assert [send(served, "/connection-refused/").status for _ in range(3)] == [502, 502, 502]


def test_a_client_that_disconnects_releases_its_slot(served: RunningGateway, upstream: RawUpstream) -> None:
    arrived = threading.Semaphore(0)

    async def waiting(conversation: Conversation) -> None:
        await conversation.read_body()
        arrived.release()
        await conversation.wait_for_close()

    for body in (b"", b"x"):
        with_idle_connection(served, upstream, waiting)
        for _ in range(3):
            with served.connect() as client:
                client.send(
                    b"POST /two/ HTTP/1.1\r\nHost: gateway\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
                )
                assert arrived.acquire(timeout=WAIT)
            assert upstream.wait_for_open_connections(0)
    upstream.begin()
    assert send(served, "/two/").status == 200


def post(path: str, body: bytes = b"") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: gateway\r\nContent-Length: %d\r\n\r\n%b" % (path.encode(), len(body), body)


def test_a_client_that_sends_its_body_slowly_takes_no_slot(served: RunningGateway, upstream: RawUpstream) -> None:
    """Otherwise two such clients would block the route."""
    upstream.begin()
    with ExitStack() as stack:
        for _ in range(4):
            slow = stack.enter_context(served.connect())
            slow.send(post("/two/", b"x" * 100)[:-50])
        assert [send(served, "/two/", "POST", b"x").status for _ in range(3)] == [200, 200, 200]


class OneResponsePerRelease:
    """An upstream's script that records the paths of requests, and sends one response for each `release`."""

    def __init__(self) -> None:
        self.arrived: queue.Queue[str] = queue.Queue()
        self._released = threading.Semaphore(0)
        self._concurrent = 0
        self.max_concurrent = 0

    def release(self) -> None:
        """Let the upstream send one response."""
        self._released.release()

    async def __call__(self, conversation: Conversation) -> None:
        await conversation.read_body()
        self._concurrent += 1
        self.max_concurrent = max(self.max_concurrent, self._concurrent)
        self.arrived.put(conversation.request.request_line.split()[1])
        await asyncio.to_thread(self._released.acquire, timeout=WAIT)
        self._concurrent -= 1
        await conversation.write(ok())


@pytest.mark.parametrize("body", [b"", b"x"])
def test_requests_above_the_limit_are_served_in_order(
    served: RunningGateway, upstream: RawUpstream, body: bytes
) -> None:
    """One is in flight and two wait; the fourth is refused at once, with Retry-After."""
    with_idle_connection(served, upstream, script := OneResponsePerRelease())
    with ExitStack() as stack:
        clients = []
        for number in range(3):
            client = stack.enter_context(served.connect())
            client.send(post(f"/queued/{number}", body))
            clients.append(client)
            if number == 0:
                assert script.arrived.get(timeout=WAIT) == "/queued/0"
            else:
                assert served.wait_for_clients(number + 1)
        refused = send(served, "/queued/3", "POST", body)
        for _ in range(3):
            script.release()
        assert [client.read_response("POST").status for client in clients] == [200, 200, 200]
    assert [script.arrived.get(timeout=WAIT) for _ in range(2)] == ["/queued/1", "/queued/2"]
    assert script.max_concurrent == 1
    assert (refused.status, refused.problem["code"]) == (503, "route_busy")
    assert 5 <= int(refused.get("retry-after") or 0) <= 10, "max_wait, and as much again at random"


def test_a_request_that_waits_longer_than_max_wait_is_refused(served: RunningGateway, upstream: RawUpstream) -> None:
    with_idle_connection(served, upstream, script := ResponseOnRelease())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(send, served, "/short-wait/", "POST")
        assert script.arrived.acquire(timeout=WAIT)
        refused = send(served, "/short-wait/", "POST")
        script.released.set()
        assert first.result().status == 200
    assert (refused.status, refused.problem["code"]) == (503, "route_busy")
    assert refused.get("retry-after") in ("1", "2")
    upstream.begin()
    assert send(served, "/short-wait/").status == 200


def test_a_client_that_disconnects_leaves_the_queue(served: RunningGateway, upstream: RawUpstream) -> None:
    """Its request is not sent to the upstream."""
    with_idle_connection(served, upstream, script := OneResponsePerRelease())
    with served.connect() as first, served.connect() as last:
        first.send(post("/queued/first"))
        assert script.arrived.get(timeout=WAIT) == "/queued/first"
        for _ in range(3):  # more clients than the queue has places
            with served.connect() as disconnecting:
                disconnecting.send(post("/queued/disconnected"))
                assert served.wait_for_clients(3)
            assert served.wait_for_at_most(2)
        last.send(post("/queued/last"))
        assert served.wait_for_clients(2)
        for client in (first, last):
            script.release()
            assert client.read_response("POST").status == 200
    assert script.arrived.get(timeout=WAIT) == "/queued/last"


def test_a_token_that_expires_while_its_request_waits_is_refused(
    make_app: MakeApp, routes_file: Path, upstream: RawUpstream, signing_key: SigningKey
) -> None:
    """The token is checked again when the request gets its slot."""
    clock = ShiftedClock()
    token = signing_key.sign(access_claims(time.time(), exp=int(time.time()) + 300))
    request = b"GET /members/ HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer %b\r\n\r\n" % token.encode()
    with running(make_app(clock, GATEWAY_ROUTES=str(routes_file))) as gateway:
        with_idle_connection(gateway, upstream, script := OneResponsePerRelease())
        with gateway.connect() as first, gateway.connect() as second:
            first.send(request)
            assert script.arrived.get(timeout=WAIT) == "/members/"
            second.send(request)
            assert gateway.wait_for_clients(2)
            clock.move(1_000)
            script.release()
            assert first.read_response().status == 200
            refused = second.read_response()
    assert (refused.status, refused.problem["code"]) == (401, "token_expired")
    assert script.arrived.empty()
