"""When a request's body is read from the client, buffered, and sent to the upstream."""

import asyncio
import hashlib
import threading
from pathlib import Path

import pytest

from gateway.proxy.request_body import REQUEST_BUFFER_BYTES
from gateway.routing.loader import load_routes
from stack.plan import ROOT
from tests.gateway.access_tokens import IDENTITY_SECRET
from tests.gateway.proxy.flow_control import CHUNK, CHUNKS, MAX_BUFFERED_BYTES, SentBytes
from tests.gateway.raw_client import RawClient
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, ok
from tests.gateway.running_gateway import RunningGateway


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_upload_reaches_the_upstream_unchanged(
    gateway: RunningGateway, upstream: RawUpstream, chunked: bool
) -> None:
    body = CHUNK * 64
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    sent = b"%x\r\n%b\r\n" % (1_000_000, body[:1_000_000]) + b"%x\r\n%b\r\n0\r\n\r\n" % (
        len(body) - 1_000_000,
        body[1_000_000:],
    )
    with gateway.connect() as client:
        answer = client.request("POST /public/ HTTP/1.1", "Host: h", framing, body=sent if chunked else body)
    assert answer.status == 200
    assert hashlib.sha256(upstream.last.content()).digest() == hashlib.sha256(body).digest()


@pytest.mark.parametrize(
    ("target", "first"),
    [("/public/", bytes(REQUEST_BUFFER_BYTES + 1)), ("/conversation/", b"first")],
    ids=["large", "stream"],
)
def test_a_body_over_the_buffer_or_on_a_streaming_route_is_sent_before_it_is_complete(
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
        assert client.read_response().status == 200
    assert upstream.last.body == first + b"later"


@pytest.mark.parametrize("chunked", [False, True])
def test_the_upstream_gets_no_request_before_a_small_body_is_complete(
    gateway: RunningGateway, upstream: RawUpstream, chunked: bool
) -> None:
    """Otherwise every slow client would occupy a thread of a service that uses a thread for each request."""
    framing, first, later = (
        (b"Transfer-Encoding: chunked", b"5\r\nfirst\r\n5\r\nla", b"ter\r\n0\r\n\r\n")
        if chunked
        else (b"Content-Length: 10", b"firstla", b"ter")
    )
    with gateway.connect() as client, gateway.connect() as other:
        client.send(b"POST /public/ HTTP/1.1\r\nHost: h\r\n" + framing + b"\r\n\r\n" + first)
        assert other.request("GET /public/other HTTP/1.1", "Host: h").status == 200
        assert [request.request_line for request in upstream.requests] == ["GET /public/other HTTP/1.1"]
        client.send(later)
        assert client.read_response("POST").status == 200
    assert upstream.last.content() == b"firstlater"


def test_bodies_for_the_auth_service_are_buffered_completely(tmp_path: Path) -> None:
    """Otherwise clients without an account could occupy its threads: 64 KiB at once, and the rest byte by byte."""
    (tmp_path / "notes.secret").write_text(IDENTITY_SECRET)
    urls = {"AUTH_URL": "http://127.0.0.1:1", "RESOURCE_URL": "http://127.0.0.1:2"}
    table = load_routes(ROOT / "gateway" / "routes.toml", environ=urls, data_dir=tmp_path)
    assert {route.max_body for route in table.routes if route.upstream.name == "auth"} == {REQUEST_BUFFER_BYTES}


def test_the_client_is_read_no_faster_than_the_upstream_reads(gateway: RunningGateway, upstream: RawUpstream) -> None:
    go_on = threading.Event()

    async def script(conversation: Conversation) -> None:
        await asyncio.to_thread(go_on.wait, WAIT)
        await conversation.read_body()
        await conversation.write(ok())

    upstream.begin(script)
    written = SentBytes()

    def upload(client: RawClient) -> None:
        client.send(b"POST /public/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (len(CHUNK) * CHUNKS))
        for _ in range(CHUNKS):
            client.send(CHUNK)
            written.add(len(CHUNK))

    with gateway.connect() as client:
        thread = threading.Thread(target=upload, args=(client,))
        thread.start()
        assert written.when_stalled() < MAX_BUFFERED_BYTES
        go_on.set()
        assert client.read_response().status == 200
        thread.join(WAIT)
    assert len(upstream.last.body) == len(CHUNK) * CHUNKS


def test_expect_100_continue_is_answered_by_the_gateway(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """RFC 9110 10.1.1."""
    with gateway.connect() as client:
        client.send(b"POST /public/ HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert client.read_interim() == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"ab")
        assert client.read_response().status == 200
    assert upstream.last.body == b"ab"
    assert upstream.last.get("expect") is None


@pytest.mark.parametrize(("target", "status"), [("/api/", 401), ("/none", 404), ("/small-body/", 413)])
def test_a_refused_request_with_expect_100_continue_needs_no_body(
    gateway: RunningGateway, upstream: RawUpstream, target: str, status: int
) -> None:
    with gateway.connect() as client:
        answer = client.request(f"POST {target} HTTP/1.1", "Host: h", "Content-Length: 1000", "Expect: 100-continue")
        assert answer.status == status
        assert client.is_closed()
    assert upstream.requests == []
