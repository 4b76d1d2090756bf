"""Requests of a connection are answered in order, and a draining worker answers them before it closes."""

import asyncio
import re
import threading

from gateway.server.http_protocol import DRAIN_SECONDS
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, ok
from tests.gateway.running_gateway import running
from tests.gateway.server.in_memory import MemoryConnection


def test_a_draining_worker_responds_with_connection_close(make_app: MakeApp, upstream: RawUpstream) -> None:
    """This holds for a request in progress and for one on an idle connection after the shutdown has begun."""
    arrived, go_on = threading.Event(), threading.Event()

    async def script(conversation: Conversation) -> None:
        if conversation.request.request_line == "GET /public/slow HTTP/1.1":
            arrived.set()
            await asyncio.to_thread(go_on.wait, WAIT)
        await conversation.write(ok())

    upstream.begin(script)
    with running(make_app()) as gateway, gateway.connect() as busy, gateway.connect() as idle:
        assert idle.request("GET /public/ HTTP/1.1", "Host: h").get("connection") is None
        busy.send(b"GET /public/slow HTTP/1.1\r\nHost: h\r\n\r\n")
        assert arrived.wait(WAIT)
        gateway.stop()
        late = idle.request("GET /public/ HTTP/1.1", "Host: h")
        go_on.set()
        first = busy.read_response()
        for response, client in ((late, idle), (first, busy)):
            assert (response.status, response.get("connection")) == (200, "close")
            assert client.is_closed()


def test_a_gateway_that_stops_leaves_no_upstream_connection(make_app: MakeApp, upstream: RawUpstream) -> None:
    upstream.begin()
    with running(make_app()) as gateway, gateway.connect() as client:
        assert client.request("GET /public/ HTTP/1.1", "Host: h").status == 200
        assert upstream.open_connections == 1
    assert upstream.wait_for_open_connections(0)


def test_after_a_response_that_had_started_one_more_request_is_answered(
    make_app: MakeApp, upstream: RawUpstream
) -> None:
    """The head of the first response had no `Connection: close`, so the client may send another request."""
    started, go_on = threading.Event(), threading.Event()

    async def script(conversation: Conversation) -> None:
        if conversation.request.request_line == "GET /public/long HTTP/1.1":
            await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
            started.set()
            await asyncio.to_thread(go_on.wait, WAIT)
            await conversation.write(b"b")
        else:
            await conversation.write(ok())

    upstream.begin(script)
    with running(make_app()) as gateway, gateway.connect() as client:
        client.send(b"GET /public/long HTTP/1.1\r\nHost: h\r\n\r\n")
        assert started.wait(WAIT)
        gateway.stop()
        go_on.set()
        first = client.read_response()
        assert (first.status, first.get("connection"), first.body) == (200, None, b"ab")
        assert client.request("GET /public/ HTTP/1.1", "Host: h").get("connection") == "close"
        assert client.is_closed()


# --- with a clock that the test moves ----------------------------------------------------------------------------

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def test_a_draining_connection_stays_open_for_one_more_request() -> None:
    connection = MemoryConnection()
    connection.send(GET)
    connection.respond()
    connection.protocol.shutdown()
    connection.loop.move(DRAIN_SECONDS - 1)
    connection.send(GET)
    connection.loop.move(60)
    assert connection.state == "open", "a request in progress is completed"
    connection.respond()
    assert connection.transport.sent.endswith(b"connection: close\r\n\r\nok")
    assert connection.state == "eof"


def test_a_draining_connection_without_a_request_is_closed() -> None:
    connection = MemoryConnection()
    connection.protocol.shutdown()
    connection.loop.move(DRAIN_SECONDS - 0.1)
    assert connection.state == "open"
    connection.loop.move(0.1)
    assert connection.state == "eof"


def test_pipelined_requests_begin_one_after_the_other() -> None:
    connection = MemoryConnection()
    connection.send(GET + GET)
    assert len(connection.app.cycles) == 1
    assert not connection.transport.is_reading(), "one request is read ahead"
    connection.respond()
    connection.loop.move(0)
    assert len(connection.app.cycles) == 2
    connection.respond()
    assert connection.transport.is_reading()
    assert connection.transport.sent.count(b"HTTP/1.1 200 ") == 2


def test_input_after_the_last_request_is_ignored() -> None:
    """RFC 9112 9.6."""
    connection = MemoryConnection()
    connection.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + GET)
    connection.respond()
    connection.loop.move(0)
    assert len(connection.app.cycles) == 1
    assert connection.state == "eof"


def test_malformed_input_is_answered_after_the_requests_before_it() -> None:
    connection = MemoryConnection()
    connection.send(GET + b"\0\r\n\r\n")
    assert connection.transport.sent == b""
    connection.respond()
    connection.loop.move(0)
    assert re.findall(rb"HTTP/1\.1 (\d+)", connection.transport.sent) == [b"200", b"400"]
    assert connection.state == "eof"
