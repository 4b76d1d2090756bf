"""A worker that is asked to go answers what is on its connections first."""

import asyncio
import threading

from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, ok
from tests.gateway.running_gateway import running


def test_a_draining_worker_answers_first_and_says_close(make_app: MakeApp, upstream: RawUpstream) -> None:
    """One request is under way, another comes on an idle connection after the word was given: both are answered."""
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


def test_a_client_whose_answer_was_already_begun_is_told_with_the_next_one(
    make_app: MakeApp, upstream: RawUpstream
) -> None:
    """Its head did not say `close`: the client may send again, and that request is answered."""
    begun, go_on = threading.Event(), threading.Event()

    async def script(conversation: Conversation) -> None:
        if conversation.request.request_line == "GET /public/long HTTP/1.1":
            await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
            begun.set()
            await asyncio.to_thread(go_on.wait, WAIT)
            await conversation.write(b"b")
        else:
            await conversation.write(ok())

    upstream.begin(script)
    with running(make_app()) as gateway, gateway.connect() as client:
        client.send(b"GET /public/long HTTP/1.1\r\nHost: h\r\n\r\n")
        assert begun.wait(WAIT)
        gateway.stop()
        go_on.set()
        first = client.answer()
        assert (first.status, first.get("connection"), first.body) == (200, None, b"ab")
        assert client.ask("GET /public/ HTTP/1.1", "Host: h").get("connection") == "close"
        assert client.is_closed()
