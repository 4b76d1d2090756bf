"""What came whole is answered before its connection ends, and whatever a request took is given back."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from gateway.server import lingering_close
from gateway.server.client_address import TrustedProxies
from gateway.server.malformed_requests import MalformedRequests
from gateway.server.request_cycle import RequestCycle
from gateway.server.request_head_cache import RequestHeadCache
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import Answer, RawClient
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, ok
from tests.gateway.running_gateway import Impatient, RunningGateway, running

PLACES = 3
ROUTES = f"""
[upstreams.notes]
urls = ["${{RESOURCE_URL}}"]
identity = false
break_after = 0

[[routes]]
prefix = "/private/"
upstream = "notes"
access = "authenticated"
max_body = "1GiB"

[[routes]]
prefix = "/small/"
upstream = "notes"
access = "public"
max_body = 10

[[routes]]
prefix = "/bounded/"
upstream = "notes"
access = "public"
max_concurrent = {PLACES}
max_body = "1GiB"
"""

REFUSED = b"GET /private/ HTTP/1.1\r\nHost: h\r\n\r\n"
GOOD_GET = b"GET /bounded/get HTTP/1.1\r\nHost: h\r\n\r\n"
GOOD_POST = b"POST /bounded/post HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"
GARBAGE = b"\0\r\n\r\n"


@pytest.fixture(scope="module")
def served(make_app: MakeApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    routes: Path = tmp_path_factory.mktemp("routes") / "routes.toml"
    routes.write_text(ROUTES)
    with running(make_app(GATEWAY_ROUTES=str(routes)), until="/healthz") as gateway:
        yield gateway


def statuses_until_the_end(client: RawClient) -> list[int]:
    """Every answer that comes before the server hangs up."""
    found: list[int] = []
    while True:
        try:
            found.append(client.answer().status)
        except ConnectionError:
            return found


def takes_as_many_as_it_may(gateway: RunningGateway, upstream: RawUpstream) -> bool:
    """Whether the bounded route serves PLACES requests at once."""
    arrived, go_on = threading.Semaphore(0), threading.Event()

    async def held(conversation: Conversation) -> None:
        await conversation.read_body()
        arrived.release()
        await asyncio.to_thread(go_on.wait, WAIT)
        await conversation.write(ok())

    def ask(_: int) -> int:
        with gateway.connect() as client:
            return client.ask("GET /bounded/ HTTP/1.1", "Host: h").status

    upstream.begin(held)
    with ThreadPoolExecutor(PLACES) as threads:
        asked = threads.map(ask, range(PLACES))
        all_arrived = [arrived.acquire(timeout=WAIT / 5) for _ in range(PLACES)]
        go_on.set()
        return all(all_arrived) and list(asked) == [200] * PLACES


@pytest.mark.parametrize("good", [GOOD_GET, GOOD_POST])
@pytest.mark.parametrize("warm", [False, True])
def test_what_came_whole_before_garbage_is_answered_in_its_turn(
    served: RunningGateway, upstream: RawUpstream, caplog: pytest.LogCaptureFixture, good: bytes, warm: bool
) -> None:
    """By the short way, over a connection that idles, and by the long one; and each place comes back."""
    for _ in range(PLACES):
        upstream.begin()
        with served.connect() as client:
            if warm:  # a connection to the service idles then
                assert client.ask("GET /bounded/ HTTP/1.1", "Host: h").status == 200
            client.send(REFUSED + good + GARBAGE)
            assert statuses_until_the_end(client) == [401, 200, 400]
        assert len(upstream.requests) == 1 + warm
    assert caplog.records == []
    assert takes_as_many_as_it_may(served, upstream)


# --- staged close ------------------------------------------------------------------------------------------------

CLOSING = b"GET /bounded/get HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
UPLOAD = 32_000_000


def read_late(client: RawClient, raw: bytes, more: bytes, times: int) -> Answer:
    """The answer to `raw`, read only when `more` was sent so many times: as many clients do."""
    client.send(raw)
    for _ in range(times):
        client.send(more)
    return client.answer("POST")


EARLY = {
    "413 by its length": (413, b"POST /small/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % UPLOAD),
    "401": (401, b"POST /private/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % UPLOAD),
    "404": (404, b"POST /none HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % UPLOAD),
    "malformed": (400, b"POST /none HTTP/1.1\r\nHost : h\r\nContent-Length: %d\r\n\r\n" % UPLOAD),
    "not the last request": (200, CLOSING),
}


@pytest.mark.parametrize("name", EARLY)
def test_an_early_answer_reaches_a_client_that_sends_on_before_it_reads(
    served: RunningGateway, upstream: RawUpstream, name: str
) -> None:
    """Nothing of what it sends on is read as HTTP, and no reset overtakes the answer."""
    status, raw = EARLY[name]
    with served.connect() as client:
        answer = read_late(client, raw, b"x" * 1_000_000, UPLOAD // 1_000_000)
        assert (answer.status, answer.get("connection")) == (status, "close")
        assert client.rest() == b""
    assert len(upstream.requests) == (1 if status == 200 else 0)


@pytest.mark.parametrize("ending", ["stays", "closes", "resets", "resets later"])
def test_an_early_answer_of_the_service_reaches_a_client_that_sends_on(
    served: RunningGateway, upstream: RawUpstream, ending: str
) -> None:
    async def refusing(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
        if ending == "stays":
            await conversation.wait_for_close()
        if ending == "resets later":
            await asyncio.sleep(0.02)
        conversation.close() if ending == "closes" else conversation.reset()

    head = b"POST /bounded/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % UPLOAD
    for _ in range(10):
        upstream.begin(refusing)
        with served.connect() as client:
            answer = read_late(client, head, b"x" * 1_000_000, UPLOAD // 1_000_000)
            assert (answer.status, answer.body) == (413, b"big")
            assert client.rest() == b""
    assert takes_as_many_as_it_may(served, upstream)


def send_for_ever(client: RawClient) -> None:
    """Raises ConnectionError once it is cut off."""
    while True:
        client.send(b"x" * 100_000)


def test_a_client_that_only_sends_is_not_read_for_ever(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering_close, "LINGER_TIME", 0.5)
    with running(make_app(), until="/healthz") as gateway, gateway.connect() as client:
        client.send(b"POST /none HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n")
        begun = time.monotonic()
        with pytest.raises(ConnectionError):
            send_for_ever(client)
        assert time.monotonic() - begun < 5


# --- half-closed clients -----------------------------------------------------------------------------------------


def test_a_client_that_closed_its_sending_side_is_answered(served: RunningGateway, upstream: RawUpstream) -> None:
    """Every request that came whole, in its turn; what has no end any more is not executed."""
    for unfinished in (b"", b"GET /bounded/none HT", GOOD_POST[:-2]):
        upstream.begin()
        with served.connect() as client:
            client.send(GOOD_GET + REFUSED + GOOD_POST + unfinished)
            client.socket.shutdown(socket.SHUT_WR)
            assert statuses_until_the_end(client) == [200, 401, 200]
        assert len(upstream.requests) == 2
    assert takes_as_many_as_it_may(served, upstream)


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_it_is_answered_also_where_that_takes_a_while(
    served: RunningGateway, upstream: RawUpstream, version: bytes
) -> None:
    """An interim answer before that is no answer, and HTTP/1.0 knows none."""

    async def slow(conversation: Conversation) -> None:
        await asyncio.sleep(Impatient.timeouts.half_closed / 2)
        await conversation.write(ok(b"late"))

    upstream.begin(slow)
    with served.connect() as client:
        client.send(GOOD_GET.replace(b"1.1", version))
        client.socket.shutdown(socket.SHUT_WR)
        received = client.rest()
    assert received.startswith(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK" if version == b"1.1" else b"HTTP/1.1 200"
    )
    assert received.endswith(b"\r\n\r\nlate")


@pytest.mark.parametrize("raw", [GOOD_GET, GOOD_POST, GOOD_GET.replace(b"1.1", b"1.0"), GOOD_GET + GOOD_GET])
@pytest.mark.parametrize("begun", [False, True])
def test_what_is_under_way_for_a_client_that_is_gone_ends(
    served: RunningGateway, upstream: RawUpstream, raw: bytes, begun: bool
) -> None:
    """Pipelined requests too, behind which nothing is read; whether or not the answer has begun."""
    arrived = threading.Event()

    async def endless(conversation: Conversation) -> None:
        if begun:
            await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")
        arrived.set()
        await conversation.wait_for_close()

    upstream.begin(endless)
    with served.connect() as client:
        client.send(raw)
        assert arrived.wait(WAIT)
    assert upstream.last.closed.wait(WAIT)
    assert len(upstream.requests) == 1
    assert takes_as_many_as_it_may(served, upstream)


def test_half_closing_works_on_asyncio_as_on_uvloop() -> None:
    """The same protocol on the standard library's loop, which has transports of its own."""

    class App:
        request_head_cache = RequestHeadCache()
        trusted_proxies = TrustedProxies(())
        malformed_requests = MalformedRequests(lambda status, code: None, time.time)
        unread_bytes = 98_304
        default_response_lines: ClassVar = {"http": b""}

        def next_request_id(self) -> str:
            return "id"

        def begin(self, cycle: RequestCycle) -> None:
            asyncio.get_running_loop().call_later(0.2, cycle.respond, 200, [(b"content-length", b"2")], b"ok")

    async def play() -> bytes:
        config = Config(cast(Any, App()), log_config=None)
        state = ServerState()
        state.default_headers = [(b"date", b"now")]
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Impatient(config, state, {}), "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(GOOD_GET)
            writer.write_eof()
            async with asyncio.timeout(WAIT):
                received = await reader.read()
            writer.close()
            return received

    received = asyncio.run(play(), debug=False)
    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    assert received.endswith(b"\r\n\r\nok")
