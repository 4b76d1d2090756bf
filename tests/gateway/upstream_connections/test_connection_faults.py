"""Faults of an upstream as a client sees them: 502, or a connection that is cut off in the middle of a body."""

import asyncio
import time

import pytest

from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, Script, answering, closing, resetting, silent
from tests.gateway.running_gateway import RunningGateway
from tests.gateway.single_requests import request_once, status_and_code

# --- before the response -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/connection-refused/", "/missing-socket/"])
def test_an_unreachable_upstream_is_a_502(gateway: RunningGateway, target: str) -> None:
    assert status_and_code(request_once(gateway, target)) == (502, "upstream_unreachable")


@pytest.mark.parametrize("script", [resetting, closing])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_upstream_that_closes_before_its_response_is_a_502(
    gateway: RunningGateway, upstream: RawUpstream, script: Script, method: str
) -> None:
    """On a new connection the upstream may have processed the request, so it is not sent again."""
    upstream.begin(script)
    assert status_and_code(request_once(gateway, method=method)) == (502, "upstream_failed")
    assert len(upstream.requests) == 1


# --- in the middle of the body -------------------------------------------------------------------------------------

INCOMPLETE = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n6\r\nsec",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nfirst",
]


@pytest.mark.parametrize("raw", INCOMPLETE)
def test_an_incomplete_response_cuts_off_the_client(
    gateway: RunningGateway, upstream: RawUpstream, raw: bytes
) -> None:
    """A short response never looks complete. If no byte of it was forwarded, it may be a 502 instead."""
    upstream.begin(answering(raw, then_close=True))
    answer = request_once(gateway)
    assert not answer.is_complete or answer.status == 502
    assert b"first" not in answer.body or not answer.is_complete


@pytest.mark.parametrize("raw", [INCOMPLETE[0], INCOMPLETE[1]])
def test_a_response_that_is_reset_cuts_off_the_client(
    gateway: RunningGateway, upstream: RawUpstream, raw: bytes
) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.write(raw)
        await asyncio.sleep(0.05)  # so that the gateway has read the bytes before the reset
        conversation.reset()

    upstream.begin(script)
    answer = request_once(gateway)
    assert (answer.status, answer.body, answer.is_complete) == (200, b"first", False)


def test_an_incomplete_response_resets_an_http_1_0_client(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """For an HTTP/1.0 client a normal close would be the end of the body."""

    async def script(conversation: Conversation) -> None:
        await conversation.write(INCOMPLETE[1])
        await asyncio.sleep(0.05)
        conversation.reset()

    upstream.begin(script)
    with gateway.connect() as client:
        client.send(b"GET /public/ HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            client.read_to_end()


@pytest.mark.parametrize("target", ["/short-read-timeout/", "/short-total-timeout/"])
def test_a_response_that_times_out_cuts_off_the_client(
    gateway: RunningGateway, upstream: RawUpstream, target: str
) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.write(INCOMPLETE[0])
        await conversation.wait_for_close()

    upstream.begin(script)
    answer = request_once(gateway, target)
    assert (answer.status, answer.body, answer.is_complete) == (200, b"first", False)
    assert upstream.last.closed.wait(WAIT)


def test_a_silent_upstream_does_not_delay_the_others(gateway: RunningGateway, upstream: RawUpstream) -> None:
    upstream.begin(silent)
    with gateway.connect() as waiting:
        waiting.send(b"GET /public/ HTTP/1.1\r\nHost: h\r\n\r\n")
        started = time.monotonic()
        assert request_once(gateway, "/auth/").status == 200
        assert time.monotonic() - started < 5
