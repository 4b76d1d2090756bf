"""With max_answer, a route forwards responses up to that size; a larger one becomes a 502 or is cut off."""

import asyncio
import threading

import pytest

from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, answering, ok
from tests.gateway.routes_toml import route_table, routes_toml, upstream_table
from tests.gateway.routing.conftest import send
from tests.gateway.running_gateway import RunningGateway

ROUTES = routes_toml(
    upstream_table("notes", identity=False),
    route_table("/short/", "public", max_answer=1_000),
)


LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"
"""The head of a response that is one byte too long. Its body is never sent."""


def chunked(size: int) -> bytes:
    """Return a response of unknown length."""
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)


@pytest.mark.parametrize("raw", [ok(b"x" * 1_000), chunked(1_000)])
def test_a_response_of_the_maximum_size_is_forwarded(
    served: RunningGateway, upstream: RawUpstream, raw: bytes
) -> None:
    upstream.begin(answering(raw))
    response = send(served, "/short/")
    assert (response.status, response.body, response.is_complete) == (200, b"x" * 1_000, True)


@pytest.mark.parametrize("raw", [ok(b"x" * 1_001), chunked(1_001), LONG])
def test_a_larger_response_is_a_502(served: RunningGateway, upstream: RawUpstream, raw: bytes) -> None:
    upstream.begin(answering(raw))
    for _ in range(2):  # the second response is the same as the first, so its head could be cached
        response = send(served, "/short/")
        assert (response.status, response.problem["code"]) == (502, "answer_too_large")


def test_a_response_that_grows_too_large_is_cut_off(served: RunningGateway, upstream: RawUpstream) -> None:
    """The client can detect that it is incomplete."""
    first_part_received = threading.Event()

    async def script(conversation: Conversation) -> None:
        await conversation.read_body()
        await conversation.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n%b\r\n" % (b"x" * 1_000)
        )
        await asyncio.to_thread(first_part_received.wait, WAIT)
        await conversation.write(b"1\r\nx\r\n")
        await conversation.wait_for_close()

    upstream.begin(script)
    with served.connect() as client:
        client.send(b"GET /short/ HTTP/1.1\r\nHost: gateway\r\n\r\n")
        received = b""
        while received.count(b"x") < 1_000:
            received += client.socket.recv(65_536)
        first_part_received.set()
        rest = b""
        try:
            while more := client.socket.recv(65_536):
                rest += more
        except ConnectionResetError:
            pass
    assert received.startswith(b"HTTP/1.1 200 ")
    assert not (received + rest).endswith(b"0\r\n\r\n")
    assert upstream.wait_for_open_connections(0)


def test_the_content_length_of_a_response_without_a_body_is_not_limited(
    served: RunningGateway, upstream: RawUpstream
) -> None:
    upstream.begin(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"))
    with served.connect() as client:
        assert client.request("HEAD /short/ HTTP/1.1", "Host: gateway").status == 200
