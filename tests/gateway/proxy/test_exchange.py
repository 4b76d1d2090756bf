"""An exchange forwards request and response unchanged, streams large bodies, and ends with either side."""

import asyncio
import socket
import threading
import time
from contextlib import suppress

import pytest

from gateway.proxy.request_body import REQUEST_BUFFER_BYTES
from tests.gateway.proxy.flow_control import CHUNK, CHUNKS, MAX_BUFFERED_BYTES, SentBytes, read_until
from tests.gateway.proxy.gateway_fields import GATEWAY_FIELDS, IDENTITY_FIELDS
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "target",
    [
        "/public",
        "/public/",
        "/public/notes/7",
        "/public/a%20b/%C3%A9",
        "/public/a?",
        "/public/?a=%2F..%2F&b=//c;d\\e|{}\"<>'",
        "/public/~user/(x)/[y],z:1@h/$&+=!*",
    ],
)
def test_method_target_and_body_are_forwarded_byte_for_byte(
    gateway: RunningGateway, upstream: RawUpstream, method: str, target: str
) -> None:
    """Only a `?` without a query is removed."""
    body = bytes(range(256))
    with gateway.connect() as client:
        answer = client.request(f"{method} {target} HTTP/1.1", "Host: h", f"Content-Length: {len(body)}", body=body)
    assert (answer.status, answer.body) == (200, b"ok")
    assert upstream.last.request_line == f"{method} {target.removesuffix('?')} HTTP/1.1"
    assert upstream.last.body == body


def test_a_request_without_header_fields_is_forwarded_with_those_of_the_gateway(
    gateway: RunningGateway, upstream: RawUpstream, token: str
) -> None:
    """Such a head must end with exactly one empty line."""
    with gateway.connect() as client:
        assert client.request("GET /public/ HTTP/1.0").status == 200
    assert (
        upstream.last.head
        == (
            f"GET /public/ HTTP/1.1\r\nHost: 127.0.0.1:{upstream.port}\r\n"
            f"X-Request-Id: {upstream.last.get('x-request-id')}\r\nX-Forwarded-For: 127.0.0.1\r\n"
            "X-Forwarded-Proto: http\r\nForwarded: for=127.0.0.1;proto=http\r\nVia: 1.0 sallyport\r\n\r\n"
        ).encode()
    )
    with gateway.connect() as client:
        assert client.request("GET /api/ HTTP/1.1", "Host: h", f"Authorization: Bearer {token}").status == 200
    assert len(upstream.requests) == 2
    assert [name for name, _ in upstream.last.fields] == [*GATEWAY_FIELDS, *IDENTITY_FIELDS]


def test_status_fields_and_body_of_the_response_are_unchanged(gateway: RunningGateway, upstream: RawUpstream) -> None:
    body = bytes(range(256))
    head = b'HTTP/1.1 418 Short And Stout\r\nX-A: 1\r\nX-A: 2\r\nETag: W/"x"\r\nContent-Length: 256\r\n\r\n'
    upstream.begin(answering(head + body))
    with gateway.connect() as client:
        answer = client.request("GET /public/ HTTP/1.1", "Host: h")
    assert (answer.status, answer.body) == (418, body)
    assert answer.get_all("x-a") == ["1", "2"]
    assert answer.get("etag") == 'W/"x"'


@pytest.mark.parametrize(
    ("method", "raw"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_a_response_without_a_body_ends_with_its_head(
    gateway: RunningGateway, upstream: RawUpstream, method: str, raw: bytes
) -> None:
    upstream.begin(answering(raw))
    with gateway.connect() as client:
        for _ in range(2):
            answer = client.request(f"{method} /public/ HTTP/1.1", "Host: h")
            assert answer.status == int(raw.split()[1])
            assert answer.body == b""
            assert answer.is_complete
            assert answer.status != 204 or answer.get("content-length") is None


def test_interim_responses_are_not_forwarded(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """RFC 9110 15.2."""
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    upstream.begin(answering(interim + ok(b"late")))
    with gateway.connect() as client:
        answer = client.request("GET /public/ HTTP/1.1", "Host: h")
    assert (answer.status, answer.body, answer.get("link")) == (200, b"late", None)


@pytest.mark.parametrize("body", [b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"HTTP/1.1 200 OK\r\n\r\nuntil the end"])
def test_a_response_that_ends_with_its_connection_is_forwarded_in_chunks(
    gateway: RunningGateway, upstream: RawUpstream, body: bytes
) -> None:
    upstream.begin(answering(body, then_close=True))
    with gateway.connect() as client:
        for _ in range(2):
            answer = client.request("GET /public/ HTTP/1.1", "Host: h")
            assert (answer.body, answer.get("transfer-encoding"), answer.is_complete) == (
                b"until the end",
                "chunked",
                True,
            )


def test_an_http_1_0_client_gets_no_chunks(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """RFC 9112 6.1."""
    chunks = b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
    upstream.begin(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks))
    with gateway.connect() as client:
        client.send(b"GET /public/ HTTP/1.0\r\n\r\n")
        head, _, body = client.read_to_end().partition(b"\r\n\r\n")
    assert body == b"abcdef"
    assert b"transfer-encoding" not in head.lower()


def test_connections_are_kept_alive_on_both_sides(gateway: RunningGateway, upstream: RawUpstream) -> None:
    made = upstream.connections
    with gateway.connect() as client:
        for _ in range(20):
            assert client.request("GET /public/ HTTP/1.1", "Host: h").status == 200
    assert upstream.connections == made + 1


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
            assert client.request("GET /public/ HTTP/1.1", "Host: h").body == CHUNK * 64


def test_the_first_part_of_a_response_is_forwarded_before_the_rest_has_come(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    rest = threading.Event()

    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        await asyncio.to_thread(rest.wait, WAIT)
        await conversation.write(b"later")

    upstream.begin(script)
    with gateway.connect() as client:
        client.send(b"GET /public/ HTTP/1.1\r\nHost: h\r\n\r\n")
        read_until(client, b"first")
        rest.set()
        read_until(client, b"later")


def test_the_upstream_is_read_no_faster_than_the_client_reads(gateway: RunningGateway, upstream: RawUpstream) -> None:
    written = SentBytes()

    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(CHUNK) * CHUNKS))
        for _ in range(CHUNKS):
            await conversation.write(CHUNK)
            written.add(len(CHUNK))

    upstream.begin(script)
    with gateway.connect() as client:
        # Where the kernel may enlarge it to 32 MiB, the client's buffer alone can take the whole body.
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, len(CHUNK))
        client.send(b"GET /public/ HTTP/1.1\r\nHost: h\r\n\r\n")
        assert written.when_stalled() < MAX_BUFFERED_BYTES
        assert len(client.read_response().body) == len(CHUNK) * CHUNKS


@pytest.mark.parametrize("size", [REQUEST_BUFFER_BYTES + 1_000, len(CHUNK) * CHUNKS])
def test_a_response_before_the_end_of_the_upload_reaches_the_client(
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
        answer = client.read_response("POST")
        assert (answer.status, answer.body) == (422, b"no")
        assert upstream.last.closed.wait(WAIT)
        assert client.is_closed()


def test_the_read_timeout_does_not_run_during_an_upload(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """The upstream has begun its response and waits for the rest of the upload, longer than its read timeout."""

    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst")
        await conversation.read_body()
        await conversation.write(b"last")

    upstream.begin(script)
    size = REQUEST_BUFFER_BYTES + 1 + 10 * 1_000
    with gateway.connect() as client:
        client.send(b"POST /short-read-timeout/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        client.send(bytes(REQUEST_BUFFER_BYTES + 1))
        for _ in range(10):
            time.sleep(0.1)
            client.send(bytes(1_000))
        assert client.read_response("POST").body == b"firstlast"


def test_an_upstream_may_respond_without_reading_the_upload(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """The write timeout does not apply after the response has begun."""

    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            await asyncio.sleep(0.1)
            await conversation.write(b"x")
        await conversation.wait_for_close()

    upstream.begin(script)
    size = len(CHUNK) * CHUNKS
    with gateway.connect() as client:

        def upload() -> None:
            with suppress(OSError):
                client.send(bytes(size))

        client.send(b"POST /short-read-timeout/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        thread = threading.Thread(target=upload)
        thread.start()
        assert client.read_response("POST").body == b"x" * 10
        thread.join(WAIT)


def test_an_upload_that_exceeds_its_limit_during_the_response_closes_both_connections(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    """A 413 would come in the middle of another response."""

    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst")
        await conversation.wait_for_close()

    upstream.begin(script)
    with gateway.connect() as client:
        client.send(b"POST /conversation/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n")
        read_until(client, b"first")
        client.send(b"60\r\n" + bytes(96) + b"\r\n")
        assert client.is_closed()
    assert upstream.last.closed.wait(WAIT)


@pytest.mark.parametrize(
    "begun",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst"],
    ids=["before the response", "during the response"],
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
def test_a_client_that_disconnects_closes_the_upstream_connection(
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
            read_until(client, b"first")
    assert upstream.last.closed.wait(WAIT)
