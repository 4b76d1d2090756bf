"""Bodies stream both ways, no faster than the slower side takes them, and end with whoever hangs up."""

import asyncio
import hashlib
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.proxy.request_body import REQUEST_BUFFER_BYTES
from gateway.routing.loader import load_routes
from stack.plan import ROOT
from tests.gateway.access_tokens import IDENTITY_SECRET
from tests.gateway.raw_client import RawClient
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway

CHUNK = bytes(range(256)) * 256
"""64 KiB."""
ENDLESS = 512
"""Chunks, 32 MiB: more than all the buffers on the way hold."""
HELD_AT_MOST = 16 * 2**20
"""Bytes in both kernels' socket buffers and our own; an unbounded buffer would swallow twice as many."""


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_upload_arrives_whole(gateway: RunningGateway, upstream: RawUpstream, chunked: bool) -> None:
    body = CHUNK * 64
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    sent = b"%x\r\n%b\r\n" % (1_000_000, body[:1_000_000]) + b"%x\r\n%b\r\n0\r\n\r\n" % (
        len(body) - 1_000_000,
        body[1_000_000:],
    )
    with gateway.connect() as client:
        answer = client.ask("POST /public/ HTTP/1.1", "Host: h", framing, body=sent if chunked else body)
    assert answer.status == 200
    assert hashlib.sha256(upstream.last.content()).digest() == hashlib.sha256(body).digest()


@pytest.mark.parametrize(
    "raw",
    [
        ok(CHUNK * 64),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"10000\r\n%b\r\n" % CHUNK * 64 + b"0\r\n\r\n",
    ],
    ids=["length", "chunked"],
)
def test_a_large_download_arrives_whole(gateway: RunningGateway, upstream: RawUpstream, raw: bytes) -> None:
    upstream.begin(answering(raw))
    with gateway.connect() as client:
        for _ in range(2):
            assert client.ask("GET /public/ HTTP/1.1", "Host: h").body == CHUNK * 64


def test_an_answer_is_handed_on_before_it_is_complete(gateway: RunningGateway, upstream: RawUpstream) -> None:
    rest = threading.Event()

    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        await asyncio.to_thread(rest.wait, WAIT)
        await conversation.write(b"later")

    upstream.begin(script)
    with gateway.connect() as client:
        client.send(b"GET /public/ HTTP/1.1\r\nHost: h\r\n\r\n")
        _read_until(client, b"first")
        rest.set()
        _read_until(client, b"later")


@pytest.mark.parametrize(
    ("target", "first"),
    [("/public/", bytes(REQUEST_BUFFER_BYTES + 1)), ("/conversation/", b"first")],
    ids=["large", "stream"],
)
def test_a_body_is_handed_on_before_it_is_complete(
    gateway: RunningGateway, upstream: RawUpstream, target: str, first: bytes
) -> None:
    begun = threading.Event()

    async def script(conversation: Conversation) -> None:
        begun.set()
        await conversation.read_body()
        await conversation.write(ok())

    upstream.begin(script)
    with gateway.connect() as client:
        head = f"POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(first) + 5}\r\n\r\n"
        client.send(head.encode() + first)
        assert begun.wait(WAIT)
        client.send(b"later")
        assert client.answer().status == 200
    assert upstream.last.body == first + b"later"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_service_is_not_asked_before_a_small_body_is_whole(
    gateway: RunningGateway, upstream: RawUpstream, chunked: bool
) -> None:
    """A service that serves in threads would lose one to each client that sends slowly."""
    framing, first, later = (
        (b"Transfer-Encoding: chunked", b"5\r\nfirst\r\n5\r\nla", b"ter\r\n0\r\n\r\n")
        if chunked
        else (b"Content-Length: 10", b"firstla", b"ter")
    )
    with gateway.connect() as client, gateway.connect() as other:
        client.send(b"POST /public/ HTTP/1.1\r\nHost: h\r\n" + framing + b"\r\n\r\n" + first)
        assert other.ask("GET /public/other HTTP/1.1", "Host: h").status == 200
        assert [request.request_line for request in upstream.requests] == ["GET /public/other HTTP/1.1"]
        client.send(later)
        assert client.answer("POST").status == 200
    assert upstream.last.content() == b"firstlater"


def test_what_anybody_may_send_to_the_auth_service_is_collected_whole(tmp_path: Path) -> None:
    """Else 64 KiB at once and then a drop now and then would take its threads, from people who have no account."""
    (tmp_path / "notes.secret").write_text(IDENTITY_SECRET)
    urls = {"AUTH_URL": "http://127.0.0.1:1", "RESOURCE_URL": "http://127.0.0.1:2"}
    table = load_routes(ROOT / "gateway" / "routes.toml", environ=urls, data_dir=tmp_path)
    assert {route.max_body for route in table.routes if route.upstream.name == "auth"} == {REQUEST_BUFFER_BYTES}


def test_an_upstream_is_read_no_faster_than_the_client_reads(gateway: RunningGateway, upstream: RawUpstream) -> None:
    written = _Counter()

    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(CHUNK) * ENDLESS))
        for _ in range(ENDLESS):
            await conversation.write(CHUNK)
            written.add(len(CHUNK))

    upstream.begin(script)
    with gateway.connect() as client:
        client.send(b"GET /public/ HTTP/1.1\r\nHost: h\r\n\r\n")
        assert written.when_it_stands_still() < HELD_AT_MOST
        assert len(client.answer().body) == len(CHUNK) * ENDLESS


def test_a_client_is_read_no_faster_than_the_upstream_reads(gateway: RunningGateway, upstream: RawUpstream) -> None:
    go_on = threading.Event()

    async def script(conversation: Conversation) -> None:
        await asyncio.to_thread(go_on.wait, WAIT)
        await conversation.read_body()
        await conversation.write(ok())

    upstream.begin(script)
    written = _Counter()

    def upload(client: RawClient) -> None:
        client.send(b"POST /public/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (len(CHUNK) * ENDLESS))
        for _ in range(ENDLESS):
            client.send(CHUNK)
            written.add(len(CHUNK))

    with gateway.connect() as client:
        thread = threading.Thread(target=upload, args=(client,))
        thread.start()
        assert written.when_it_stands_still() < HELD_AT_MOST
        go_on.set()
        assert client.answer().status == 200
        thread.join(WAIT)
    assert len(upstream.last.body) == len(CHUNK) * ENDLESS


# --- Expect: 100-continue ----------------------------------------------------------------------------------------


def test_a_client_that_asks_first_is_told_to_go_on(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """RFC 9110 10.1.1."""
    with gateway.connect() as client:
        client.send(b"POST /public/ HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert client.interim() == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"ab")
        assert client.answer().status == 200
    assert upstream.last.body == b"ab"
    assert upstream.last.get("expect") is None


@pytest.mark.parametrize(("target", "status"), [("/api/", 401), ("/none", 404), ("/small/", 413)])
def test_a_client_that_asks_first_and_is_refused_need_not_send(
    gateway: RunningGateway, upstream: RawUpstream, target: str, status: int
) -> None:
    with gateway.connect() as client:
        answer = client.ask(f"POST {target} HTTP/1.1", "Host: h", "Content-Length: 1000", "Expect: 100-continue")
        assert answer.status == status
        assert client.is_closed()
    assert upstream.requests == []


# --- early ends --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [REQUEST_BUFFER_BYTES + 1_000, len(CHUNK) * ENDLESS])
def test_an_answer_before_the_body_is_taken_reaches_the_client(
    gateway: RunningGateway, upstream: RawUpstream, size: int
) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 422 No Thanks\r\nContent-Length: 2\r\n\r\nno")
        await conversation.wait_for_close()

    upstream.begin(script)
    with gateway.connect() as client:
        client.send(
            b"POST /public/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size
            + bytes(REQUEST_BUFFER_BYTES + 1)
        )
        answer = client.answer("POST")
        assert (answer.status, answer.body) == (422, b"no")
        assert upstream.last.closed.wait(WAIT)
        assert client.is_closed()


def test_a_service_that_has_begun_to_answer_may_wait_for_a_slow_body(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    """For longer than it may be silent: it has nothing to say before it has read what is still coming."""

    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst")
        await conversation.read_body()
        await conversation.write(b"last")

    upstream.begin(script)
    size = REQUEST_BUFFER_BYTES + 1 + 10 * 1_000
    with gateway.connect() as client:
        client.send(b"POST /impatient/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        client.send(bytes(REQUEST_BUFFER_BYTES + 1))
        for _ in range(10):
            time.sleep(0.1)
            client.send(bytes(1_000))
        assert client.answer("POST").body == b"firstlast"


def test_a_service_that_answers_may_leave_the_body_unread(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """A service whose answer still comes is not silent, although it takes no more of the upload."""

    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            await asyncio.sleep(0.1)
            await conversation.write(b"x")
        await conversation.wait_for_close()

    upstream.begin(script)
    size = len(CHUNK) * ENDLESS
    with gateway.connect() as client:

        def upload() -> None:
            with suppress(OSError):
                client.send(bytes(size))

        client.send(b"POST /impatient/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        thread = threading.Thread(target=upload)
        thread.start()
        assert client.answer("POST").body == b"x" * 10
        thread.join(WAIT)


def test_an_upload_that_grows_too_large_during_its_answer_cuts_both(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    """The refusal would come in the middle of another answer."""

    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst")
        await conversation.wait_for_close()

    upstream.begin(script)
    with gateway.connect() as client:
        client.send(b"POST /conversation/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n")
        _read_until(client, b"first")
        client.send(b"60\r\n" + bytes(96) + b"\r\n")
        assert client.is_closed()
    assert upstream.last.closed.wait(WAIT)


@pytest.mark.parametrize(
    "begun",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst"],
    ids=["before the answer", "in the middle of it"],
)
@pytest.mark.parametrize(
    "request_so_far",
    [
        b"GET /public/ HTTP/1.1\r\nHost: h\r\n\r\n",
        b"POST /public/ HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + bytes(REQUEST_BUFFER_BYTES + 1),
        b"POST /conversation/ HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nfirst",
    ],
    ids=["get", "upload", "conversation"],
)
def test_a_client_that_hangs_up_ends_the_upstream_exchange(
    gateway: RunningGateway, upstream: RawUpstream, request_so_far: bytes, begun: bytes
) -> None:
    arrived = threading.Event()

    async def script(conversation: Conversation) -> None:
        await conversation.write(begun)
        arrived.set()
        await conversation.wait_for_close()

    upstream.begin(script)
    with gateway.connect() as client:
        client.send(request_so_far)
        assert arrived.wait(WAIT)
        if begun:
            _read_until(client, b"first")
    assert upstream.last.closed.wait(WAIT)


def _read_until(client: RawClient, ending: bytes) -> None:
    received = b""
    while not received.endswith(ending):
        data = client.socket.recv(65_536)
        assert data, "the connection was closed"
        received += data


class _Counter:
    """Counts what somebody gets rid of, and knows when no more goes."""

    def __init__(self) -> None:
        self._total = 0
        self._more = threading.Event()

    def add(self, size: int) -> None:
        self._total += size
        self._more.set()

    def when_it_stands_still(self) -> int:
        """The total once nothing was added for a while."""
        assert self._more.wait(WAIT)
        while self._more.wait(0.3):
            self._more.clear()
        return self._total
