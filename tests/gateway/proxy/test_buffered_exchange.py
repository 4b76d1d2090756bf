"""Requests that are forwarded by callbacks, and how they continue when a response is incomplete or fails."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from tests.gateway.conftest import MakeApp
from tests.gateway.proxy.flow_control import read_until
from tests.gateway.raw_client import RawClient
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, answering, ok
from tests.gateway.routes_toml import limits, route_table, routes_toml, upstream_table
from tests.gateway.running_gateway import RunningGateway, running


@pytest.fixture
def client(gateway: RunningGateway, upstream: RawUpstream) -> Iterator[RawClient]:
    """A client whose requests find an idle upstream connection and cached heads."""
    with gateway.connect() as connected:
        for _ in range(3):
            assert connected.request("GET /public/ HTTP/1.1", "Host: h").status == 200
        yield connected


def get(client: RawClient) -> tuple[int, bytes]:
    """Return status and body of the response to a GET."""
    answer = client.request("GET /public/ HTTP/1.1", "Host: h")
    return answer.status, answer.body


def test_a_response_with_another_head_is_forwarded_and_keeps_the_connection(
    client: RawClient, upstream: RawUpstream
) -> None:
    """The head is not cached, and the body has another length than the body before."""
    upstream.begin_answering(answering(ok(b"new", "X-New: 1")))
    for _ in range(3):
        answer = client.request("GET /public/ HTTP/1.1", "Host: h")
        assert (answer.status, answer.body, answer.get("x-new")) == (200, b"new", "1")
    assert {request.connection for request in upstream.requests[-3:]} == {upstream.last.connection}


def test_a_request_with_a_complete_body_is_forwarded(client: RawClient, upstream: RawUpstream) -> None:
    answer = client.request("POST /public/ HTTP/1.1", "Host: h", "Content-Length: 4", body=b"body")
    assert answer.status == 200
    assert (upstream.last.request_line, upstream.last.body) == ("POST /public/ HTTP/1.1", b"body")


def test_overrides_and_rate_limits_are_in_responses_with_a_cached_head(
    make_app: MakeApp, upstream: RawUpstream, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("routes")
    (folder / "routes.toml").write_text(
        routes_toml(
            upstream_table("notes"),
            route_table(
                "/", "public", limits=limits(address="100/hour"), response_headers={"X-Frame-Options": "DENY"}
            ),
        )
    )
    with running(make_app(GATEWAY_ROUTES=str(folder / "routes.toml"))) as gateway, gateway.connect() as client:
        for left in (99, 98, 97, 96):
            answer = client.request("GET / HTTP/1.1", "Host: h")
            assert answer.get("x-frame-options") == "DENY"
            assert f"r={left}" in (answer.get("ratelimit") or "")


@pytest.mark.parametrize("length", [0, 5, 20_000, 65_536, 65_537, 200_000])
def test_a_response_that_comes_in_parts_at_once_arrives_whole(
    client: RawClient, upstream: RawUpstream, length: int
) -> None:
    """Bodies on both sides of the largest that is buffered."""
    body = bytes(number % 251 for number in range(length))

    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length)
        for start in range(0, length, 16_384):
            await conversation.write(body[start : start + 16_384])
            await asyncio.sleep(0)

    upstream.begin_answering(script)
    for _ in range(3):
        assert get(client) == (200, body)
    assert len({request.connection for request in upstream.requests[-3:]}) == 1


@pytest.mark.parametrize("sent", [0, 5])
def test_a_response_that_ends_early_is_cut_off(client: RawClient, upstream: RawUpstream, sent: int) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + b"first"[:sent])
        conversation.abort()

    upstream.begin_answering(script)
    client.send(b"GET /public/ HTTP/1.1\r\nHost: h\r\n\r\n")
    assert not client.read_response().is_complete


def test_a_response_that_comes_in_parts_is_streamed(client: RawClient, upstream: RawUpstream) -> None:
    rest = threading.Event()

    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        await asyncio.to_thread(rest.wait, WAIT)
        await conversation.write(b"later")

    upstream.begin_answering(script)
    client.send(b"GET /public/ HTTP/1.1\r\nHost: h\r\n\r\n")
    read_until(client, b"first")
    rest.set()
    read_until(client, b"later")
    upstream.begin_answering(answering(ok()))
    assert get(client) == (200, b"ok")


def test_an_upstream_that_does_not_respond_is_a_504(client: RawClient, upstream: RawUpstream) -> None:
    """/short-read-timeout/ has a read timeout of 0.3 s."""

    async def script(conversation: Conversation) -> None:
        await conversation.wait_for_close()

    upstream.begin_answering(script)
    begun = time.monotonic()
    answer = client.request("GET /short-read-timeout/ HTTP/1.1", "Host: h")
    assert (answer.status, answer.problem["code"]) == (504, "upstream_timeout")
    assert 0.3 <= time.monotonic() - begun < WAIT
    assert upstream.last.closed.wait(WAIT)


def test_a_request_on_an_idle_connection_that_the_upstream_closes_is_sent_again(
    client: RawClient, upstream: RawUpstream
) -> None:
    """The second attempt uses another connection, and the client gets its response."""

    async def script(conversation: Conversation) -> None:
        upstream.begin_answering(answering(ok(b"again")))
        conversation.abort()

    upstream.begin_answering(script)
    assert get(client) == (200, b"again")
    assert upstream.requests[-1].connection != upstream.requests[-2].connection


def test_a_malformed_response_is_a_502(client: RawClient, upstream: RawUpstream) -> None:
    upstream.begin_answering(answering(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"))
    answer = client.request("GET /public/ HTTP/1.1", "Host: h")
    assert (answer.status, answer.problem["code"]) == (502, "upstream_failed")
