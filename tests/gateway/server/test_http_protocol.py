"""A draining worker answers the requests on its connections before it closes them."""

import asyncio
import threading

from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, ok
from tests.gateway.running_gateway import running


def test_a_draining_worker_responds_with_connection_close(make_app: MakeApp, upstream: RawUpstream) -> None:
    """Both to a request in progress and to one that arrives on an idle connection after the shutdown began."""
    arrived, go_on = threading.Event(), threading.Event()

    async def script(conversation: Conversation) -> None:
        if conversation.request.request_line == "GET /public/slow HTTP/1.1":
            arrived.set()
            await asyncio.to_thread(go_on.wait, WAIT)
        await conversation.write(ok())

    upstream.begin(script)
    with running(make_app()) as gateway, gateway.connect() as busy, gateway.connect() as idle:
        assert idle.ask("GET /public/ HTTP/1.1", "Host: h").get("connection") is None
        busy.send(b"GET /public/slow HTTP/1.1\r\nHost: h\r\n\r\n")
        assert arrived.wait(WAIT)
        gateway.stop()
        late = idle.ask("GET /public/ HTTP/1.1", "Host: h")
        go_on.set()
        first = busy.answer()
        for answer, client in ((late, idle), (first, busy)):
            assert (answer.status, answer.get("connection")) == (200, "close")
            assert client.is_closed()


def test_a_gateway_that_stops_leaves_no_upstream_connection(make_app: MakeApp, upstream: RawUpstream) -> None:
    upstream.begin()
    with running(make_app()) as gateway, gateway.connect() as client:
        assert client.ask("GET /public/ HTTP/1.1", "Host: h").status == 200
        assert upstream.open_connections == 1
    assert upstream.settles_at(0)


def test_a_response_that_had_started_is_followed_by_one_more(make_app: MakeApp, upstream: RawUpstream) -> None:
    """Its head had no `Connection: close`, so the client may send another request, which is answered."""
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
        first = client.answer()
        assert (first.status, first.get("connection"), first.body) == (200, None, b"ab")
        assert client.ask("GET /public/ HTTP/1.1", "Host: h").get("connection") == "close"
        assert client.is_closed()
