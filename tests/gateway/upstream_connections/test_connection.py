"""Which requests are retried, which bytes are a response, and what max_connections limits."""

import asyncio
import threading
import time

import pytest

from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, Script, answering, ok, resetting
from tests.gateway.running_gateway import RunningGateway
from tests.gateway.single_requests import request_once, status_and_code

# --- retries -------------------------------------------------------------------------------------------------------


def closing_when_reused(then: Script) -> Script:
    """Return a script that responds by `then` once per connection, and closes it at the second request."""
    used: set[int] = set()

    async def script(conversation: Conversation) -> None:
        await conversation.read_body()
        if conversation.request.connection in used:
            conversation.close()
        else:
            used.add(conversation.request.connection)
            await then(conversation)

    return script


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_a_stale_connection_is_replaced_once(gateway: RunningGateway, upstream: RawUpstream, method: str) -> None:
    upstream.begin(closing_when_reused(answering(ok(b""))))
    assert request_once(gateway).status == 200
    assert request_once(gateway, method=method).status == 200
    assert [request.request_line.split()[0] for request in upstream.requests] == ["GET", method, method]


def test_a_request_is_retried_only_once(gateway: RunningGateway, upstream: RawUpstream) -> None:
    async def first_only(conversation: Conversation) -> None:
        if len(upstream.requests) == 1:
            await conversation.write(ok())
        else:
            conversation.close()

    upstream.begin(first_only)
    assert request_once(gateway).status == 200
    assert status_and_code(request_once(gateway)) == (502, "upstream_failed")
    assert len(upstream.requests) == 3


@pytest.mark.parametrize(
    ("method", "body"), [("POST", b""), ("PATCH", b""), ("POST", b"ab"), ("PUT", b"ab"), ("GET", b"ab")]
)
def test_a_request_that_is_not_idempotent_or_has_a_body_is_not_retried(
    gateway: RunningGateway, upstream: RawUpstream, method: str, body: bytes
) -> None:
    upstream.begin(closing_when_reused(answering(ok())))
    with gateway.connect() as client:
        assert client.request("GET /public/ HTTP/1.1", "Host: h").status == 200
        answer = client.request(f"{method} /public/ HTTP/1.1", "Host: h", f"Content-Length: {len(body)}", body=body)
    assert status_and_code(answer) == (502, "upstream_failed")
    assert len(upstream.requests) == 2


def test_a_request_is_not_retried_after_the_first_byte_of_its_response(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    async def begin_response(conversation: Conversation) -> None:
        await conversation.write(ok() if len(upstream.requests) == 1 else b"HTTP/1.1 2")
        if len(upstream.requests) > 1:
            await asyncio.sleep(0.05)
            conversation.close()

    upstream.begin(begin_response)
    assert request_once(gateway).status == 200
    assert status_and_code(request_once(gateway)) == (502, "upstream_failed")
    assert len(upstream.requests) == 2


# --- bytes that are no response to a request -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "surplus",
    [
        ok(b"not asked for"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nnot ",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 2",
        b"H",
        b"\0garbage",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_bytes_after_a_response_reach_no_client(
    gateway: RunningGateway, upstream: RawUpstream, surplus: bytes, method: str
) -> None:
    """No further request is sent on their connection, whether they are a whole response or a part of one."""
    first = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (0 if method == "HEAD" else 2)
    upstream.begin(answering(first + (b"" if method == "HEAD" else b"ok") + surplus))
    with gateway.connect() as client:
        assert client.request(f"{method} /public/1 HTTP/1.1", "Host: h").status == 200
        upstream.begin_answering(answering(ok(b"mine")))
        answer = client.request("GET /public/2 HTTP/1.1", "Host: h")
    assert (answer.status, answer.body) == (200, b"mine")
    assert upstream.requests[0].connection != upstream.requests[-1].connection


def test_bytes_on_an_idle_connection_close_it(gateway: RunningGateway, upstream: RawUpstream) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.write(ok())
        await asyncio.sleep(0.05)  # until the connection is idle
        await conversation.write(ok(b"not asked for"))
        await conversation.wait_for_close()

    upstream.begin(script)
    assert request_once(gateway).status == 200
    assert upstream.last.closed.wait(WAIT)
    upstream.begin_answering(answering(ok(b"mine")))
    assert request_once(gateway).body == b"mine"


def test_a_body_after_head_is_not_the_next_response(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """Some servers send a body, and a client may have chosen its bytes."""
    body = ok(b"chosen")
    upstream.begin(answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body))
    with gateway.connect() as client:
        assert client.request("HEAD /public/ HTTP/1.1", "Host: h").body == b""
        upstream.begin_answering(answering(ok(b"mine")))
        assert client.request("GET /public/ HTTP/1.1", "Host: h").body == b"mine"
    assert upstream.requests[0].connection != upstream.requests[1].connection


# --- max_connections -----------------------------------------------------------------------------------------------


def test_at_max_connections_a_request_gets_503_at_once(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """The next request is sent as soon as an exchange has ended."""
    received, go_on = threading.Event(), threading.Event()

    async def script(conversation: Conversation) -> None:
        received.set()
        await asyncio.to_thread(go_on.wait, WAIT)
        await conversation.write(ok())

    upstream.begin(script)
    with gateway.connect() as first:
        first.send(b"GET /one-connection/ HTTP/1.1\r\nHost: h\r\n\r\n")
        assert received.wait(WAIT)
        started = time.monotonic()
        answer = request_once(gateway, "/one-connection/")
        assert time.monotonic() - started < 5
        assert status_and_code(answer) == (503, "upstream_busy")
        assert answer.get("retry-after") in ("1", "2")
        go_on.set()
        assert first.read_response().status == 200
    assert request_once(gateway, "/one-connection/").status == 200


@pytest.mark.parametrize(
    ("target", "script"), [("/one-connection/", resetting), ("/one-connection/", answering(b"garbage"))]
)
def test_a_failed_exchange_no_longer_counts_towards_max_connections(
    gateway: RunningGateway, upstream: RawUpstream, target: str, script: Script
) -> None:
    upstream.begin(script)
    for _ in range(3):
        assert request_once(gateway, target).status == 502
    upstream.begin()
    assert request_once(gateway, target).status == 200
