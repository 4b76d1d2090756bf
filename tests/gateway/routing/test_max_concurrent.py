"""A route with max_concurrent bounds the requests in flight, and queues as many as `queue` says."""

import asyncio
import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clocks import ShiftedClock
from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawResponse
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, Script, answering, ok
from tests.gateway.routes_toml import route_table, routes_toml, upstream_table
from tests.gateway.running_gateway import RunningGateway, running

ROUTES = routes_toml(
    upstream_table("notes", identity=False),
    upstream_table("members", identity_secret_env="NOTES_SECRET"),
    upstream_table("gone", "http://127.0.0.1:1", identity=False),
    route_table("/two/", "public", max_concurrent=2),
    route_table("/brief/", "public", max_concurrent=2, timeout={"read": 0.2}),
    route_table("/gone/", "public", upstream="gone", max_concurrent=1),
    route_table("/line/", "public", max_concurrent=1, queue=2),
    route_table("/hasty/", "public", max_concurrent=1, queue=10, max_wait=0.2),
    route_table("/members/", upstream="members", max_concurrent=1, queue=10),
    route_table("/free/", "public"),
)


@pytest.fixture(scope="module")
def routes_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    routes: Path = tmp_path_factory.mktemp("routes") / "routes.toml"
    routes.write_text(ROUTES)
    return routes


@pytest.fixture(scope="module")
def served(make_app: MakeApp, routes_file: Path) -> Iterator[RunningGateway]:
    with running(make_app(GATEWAY_ROUTES=str(routes_file))) as gateway:
        yield gateway


def ask(gateway: RunningGateway, path: str, method: str = "GET", body: bytes = b"") -> RawResponse:
    with gateway.connect() as client:
        return client.request(f"{method} {path} HTTP/1.1", "Host: gateway", f"Content-Length: {len(body)}", body=body)


SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"


class Held:
    """An upstream's script that answers when its test releases it."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self.go = threading.Event()

    async def __call__(self, conversation: Conversation) -> None:
        await conversation.read_body()
        self.arrived.release()
        await asyncio.to_thread(self.go.wait, WAIT)
        await conversation.write(ok())


def with_idle_connection(gateway: RunningGateway, upstream: RawUpstream, script: Script) -> None:
    """Has the upstream go on by `script`, over a connection that idles: the short way needs one."""
    upstream.begin()
    assert ask(gateway, "/free/").status == 200
    upstream.begin_answering(script)


@pytest.mark.parametrize("body", [b"", b"x"])
def test_one_too_many_is_refused_at_once_and_others_are_not_its_concern(
    served: RunningGateway, upstream: RawUpstream, body: bytes
) -> None:
    """By the short way and by the long one."""
    with_idle_connection(served, upstream, held := Held())
    with ThreadPoolExecutor(4) as pool:
        paths = ("/two/", "/two/", "/free/")
        under_way = [pool.submit(ask, served, path, "POST", body) for path in paths]
        for _ in under_way:
            assert held.arrived.acquire(timeout=WAIT)
        refused = ask(served, "/two/", "POST", body)
        free = pool.submit(ask, served, "/free/", "POST", body)
        held.go.set()
        assert free.result().status == 200
        assert [answer.result().status for answer in under_way] == [200, 200, 200]
    assert (refused.status, refused.problem["code"]) == (503, "route_busy")
    assert refused.get("retry-after") in ("1", "2")
    assert ask(served, "/two/").status == 200


@pytest.mark.parametrize("raw", [b"", SHORT, b"no HTTP at all\r\n\r\n"])
def test_a_place_is_given_back_however_a_request_ends(
    served: RunningGateway, upstream: RawUpstream, raw: bytes
) -> None:
    """Silence, a broken answer, no answer; by the short way and by the long one."""
    for body in (b"", b"x"):
        with_idle_connection(served, upstream, answering(raw, then_close=bool(raw)))
        for _ in range(3):
            answer = ask(served, "/brief/", "POST", body)
            assert answer.status in (502, 504) or not answer.is_complete
    upstream.begin()
    assert ask(served, "/brief/").status == 200


def test_a_place_is_given_back_where_no_connection_can_be_made(served: RunningGateway) -> None:
    assert [ask(served, "/gone/").status for _ in range(3)] == [502, 502, 502]


def test_a_place_is_given_back_when_the_client_hangs_up(served: RunningGateway, upstream: RawUpstream) -> None:
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
            assert upstream.settles_at(0)
    upstream.begin()
    assert ask(served, "/two/").status == 200


def post(path: str, body: bytes = b"") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: gateway\r\nContent-Length: %d\r\n\r\n%b" % (path.encode(), len(body), body)


def test_a_client_that_sends_its_body_slowly_holds_no_place(served: RunningGateway, upstream: RawUpstream) -> None:
    """Two of them would close the route for everybody."""
    upstream.begin()
    with ExitStack() as stack:
        for _ in range(4):
            slow = stack.enter_context(served.connect())
            slow.send(post("/two/", b"x" * 100)[:-50])
        assert [ask(served, "/two/", "POST", b"x").status for _ in range(3)] == [200, 200, 200]


class Numbered:
    """An upstream's script that answers one request at a time with its path, when the test releases it."""

    def __init__(self) -> None:
        self.arrived: queue.Queue[str] = queue.Queue()
        self.go = threading.Semaphore(0)
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self, conversation: Conversation) -> None:
        await conversation.read_body()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.arrived.put(conversation.request.request_line.split()[1])
        await asyncio.to_thread(self.go.acquire, timeout=WAIT)
        self.at_once -= 1
        await conversation.write(ok())


@pytest.mark.parametrize("body", [b"", b"x"])
def test_requests_beyond_the_bound_wait_in_the_order_in_which_they_came(
    served: RunningGateway, upstream: RawUpstream, body: bytes
) -> None:
    """One is under way and two wait; the fourth receives a Retry-After at once."""
    with_idle_connection(served, upstream, script := Numbered())
    with ExitStack() as stack:
        clients = []
        for number in range(3):
            client = stack.enter_context(served.connect())
            client.send(post(f"/line/{number}", body))
            clients.append(client)
            if number == 0:
                assert script.arrived.get(timeout=WAIT) == "/line/0"
            else:
                assert served.wait_for_clients(number + 1)
        refused = ask(served, "/line/3", "POST", body)
        for _ in range(3):
            script.go.release()
        assert [client.read_response("POST").status for client in clients] == [200, 200, 200]
    assert [script.arrived.get(timeout=WAIT) for _ in range(2)] == ["/line/1", "/line/2"]
    assert script.most_at_once == 1
    assert (refused.status, refused.problem["code"]) == (503, "route_busy")
    assert 5 <= int(refused.get("retry-after") or 0) <= 10


def test_no_request_waits_longer_than_the_route_says(served: RunningGateway, upstream: RawUpstream) -> None:
    with_idle_connection(served, upstream, held := Held())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, served, "/hasty/", "POST")
        assert held.arrived.acquire(timeout=WAIT)
        late = ask(served, "/hasty/", "POST")
        held.go.set()
        assert first.result().status == 200
    assert (late.status, late.problem["code"]) == (503, "route_busy")
    assert late.get("retry-after") in ("1", "2")
    upstream.begin()
    assert ask(served, "/hasty/").status == 200


def test_a_client_that_goes_away_leaves_the_queue(served: RunningGateway, upstream: RawUpstream) -> None:
    """Nothing is sent for it, and those behind it move up."""
    with_idle_connection(served, upstream, script := Numbered())
    with served.connect() as first, served.connect() as last:
        first.send(post("/line/first"))
        assert script.arrived.get(timeout=WAIT) == "/line/first"
        for _ in range(3):  # more than the queue is long
            with served.connect() as gone:
                gone.send(post("/line/gone"))
                assert served.wait_for_clients(3)
            assert served.wait_for_at_most(2)
        last.send(post("/line/last"))
        assert served.wait_for_clients(2)
        for client in (first, last):
            script.go.release()
            assert client.read_response("POST").status == 200
    assert script.arrived.get(timeout=WAIT) == "/line/last"


def test_a_token_that_ends_while_its_request_waits_is_refused(
    make_app: MakeApp, routes_file: Path, upstream: RawUpstream, signing_key: SigningKey
) -> None:
    """What was let through before it waited is looked at again."""
    clock = ShiftedClock()
    token = signing_key.sign(access_claims(time.time(), exp=int(time.time()) + 300))
    request = b"GET /members/ HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer %b\r\n\r\n" % token.encode()
    with running(make_app(clock, GATEWAY_ROUTES=str(routes_file))) as gateway:
        with_idle_connection(gateway, upstream, script := Numbered())
        with gateway.connect() as first, gateway.connect() as second:
            first.send(request)
            assert script.arrived.get(timeout=WAIT) == "/members/"
            second.send(request)
            assert gateway.wait_for_clients(2)
            clock.move(1_000)
            script.go.release()
            assert first.read_response().status == 200
            refused = second.read_response()
    assert (refused.status, refused.problem["code"]) == (401, "token_expired")
    assert script.arrived.empty()
