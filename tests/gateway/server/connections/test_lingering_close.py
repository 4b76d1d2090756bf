"""The last response on a connection reaches its client, also if the client is still sending."""

import asyncio
from typing import cast

import pytest

from gateway.server.lingering_close import LINGER_TIME, LINGER_TIMEOUT, LingeringClose
from tests.gateway.raw_client import RawClient, RawResponse
from tests.gateway.raw_upstream import Conversation, RawUpstream
from tests.gateway.running_gateway import RunningGateway
from tests.gateway.server.bounded_route import (
    GARBAGE,
    GOOD_GET,
    GOOD_POST,
    REFUSED,
    SLOTS,
    all_slots_are_free,
    statuses_until_closed,
)
from tests.gateway.server.in_memory import MemoryTransport, MovableLoop

WRITE_TIMEOUT = 60.0

# --- over sockets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("good", [GOOD_GET, GOOD_POST])
@pytest.mark.parametrize("with_idle_upstream", [False, True])
def test_complete_requests_before_malformed_input_are_answered_in_order(
    bounded: RunningGateway,
    upstream: RawUpstream,
    caplog: pytest.LogCaptureFixture,
    good: bytes,
    with_idle_upstream: bool,
) -> None:
    """This holds with and without an idle upstream connection, and no concurrency slot leaks."""
    for _ in range(SLOTS):
        upstream.begin()
        with bounded.connect() as client:
            if with_idle_upstream:  # this request leaves an idle upstream connection
                assert client.request("GET /bounded/ HTTP/1.1", "Host: h").status == 200
            client.send(REFUSED + good + GARBAGE)
            assert statuses_until_closed(client) == [401, 200, 400]
        assert len(upstream.requests) == 1 + with_idle_upstream
    assert caplog.records == []
    assert all_slots_are_free(bounded, upstream)


CLOSING = b"GET /bounded/get HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
UPLOAD = 32_000_000
"""Bytes of an upload, more than the socket buffers hold."""


def read_after_sending(client: RawClient, raw: bytes, more: bytes, times: int) -> RawResponse:
    """Return the response to `raw`. Like many clients, read it only after `more` was sent `times` times."""
    client.send(raw)
    for _ in range(times):
        client.send(more)
    return client.read_response("POST")


EARLY_RESPONSES = {
    "413 by its length": (413, b"POST /small-body/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % UPLOAD),
    "401": (401, b"POST /private/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % UPLOAD),
    "404": (404, b"POST /none HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % UPLOAD),
    "malformed": (400, b"POST /none HTTP/1.1\r\nHost : h\r\nContent-Length: %d\r\n\r\n" % UPLOAD),
    "200 with Connection: close": (200, CLOSING),
}


@pytest.mark.parametrize("name", EARLY_RESPONSES)
def test_an_early_response_reaches_a_client_that_sends_more_before_it_reads(
    bounded: RunningGateway, upstream: RawUpstream, name: str
) -> None:
    """The gateway does not parse the input as HTTP, and no TCP reset destroys the response."""
    status, raw = EARLY_RESPONSES[name]
    with bounded.connect() as client:
        response = read_after_sending(client, raw, b"x" * 1_000_000, UPLOAD // 1_000_000)
        assert (response.status, response.get("connection")) == (status, "close")
        assert client.read_to_end() == b""
    assert len(upstream.requests) == (1 if status == 200 else 0)


@pytest.mark.parametrize("service", ["stays", "closes", "resets", "resets later"])
def test_an_early_response_of_the_service_reaches_a_client_that_sends_more(
    bounded: RunningGateway, upstream: RawUpstream, service: str
) -> None:
    async def refusing(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
        if service == "stays":
            await conversation.wait_for_close()
        if service == "resets later":
            await asyncio.sleep(0.02)
        conversation.close() if service == "closes" else conversation.reset()

    head = b"POST /bounded/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % UPLOAD
    for _ in range(10):
        upstream.begin(refusing)
        with bounded.connect() as client:
            response = read_after_sending(client, head, b"x" * 1_000_000, UPLOAD // 1_000_000)
            assert (response.status, response.body) == (413, b"big")
            assert client.read_to_end() == b""
    assert all_slots_are_free(bounded, upstream)


# --- with a clock that the test moves ----------------------------------------------------------------------------


class MemoryClose:
    """A lingering close of a connection without sockets."""

    def __init__(self, *, unsent: int = 0) -> None:
        self.loop = MovableLoop()
        self.transport = MemoryTransport()
        self.transport.unsent = unsent
        loop = cast(asyncio.AbstractEventLoop, self.loop)
        self.lingering = LingeringClose(loop, self.transport, lambda error: None, write_timeout=WRITE_TIMEOUT)

    def wait(self, seconds: float) -> str:
        """Pass `seconds`, sweep the deadlines, and return the transport's state."""
        self.loop.move(seconds)
        self.lingering.enforce_deadlines(self.loop.time())
        return self.transport.state


def test_the_sending_side_is_closed_first() -> None:
    close = MemoryClose()
    close.lingering.start(half_closed=False)
    assert (close.transport.state, close.transport.is_reading()) == ("eof", True)


def test_the_connection_of_a_half_closed_client_is_closed_at_once() -> None:
    close = MemoryClose()
    close.lingering.start(half_closed=True)
    assert close.transport.state == "closed"


def test_a_client_that_sends_nothing_is_aborted_after_the_timeout() -> None:
    close = MemoryClose()
    close.lingering.start(half_closed=False)
    assert close.wait(LINGER_TIMEOUT) == "eof"
    assert close.wait(0.1) == "aborted"


def test_a_client_that_only_sends_is_aborted_after_the_total_time() -> None:
    close = MemoryClose()
    close.lingering.start(half_closed=False)
    for _ in range(int(LINGER_TIME)):
        close.lingering.data_received(b"x")
        assert close.wait(1) == "eof"
    close.lingering.data_received(b"x")
    assert close.wait(0.1) == "aborted"


def test_each_part_that_a_slow_client_reads_restarts_the_write_timeout() -> None:
    close = MemoryClose(unsent=1_000)
    close.lingering.start(half_closed=False)
    for left in (500, 100):
        assert close.wait(WRITE_TIMEOUT - 1) == "eof"
        close.transport.unsent = left
        assert close.wait(0) == "eof"
    assert close.wait(WRITE_TIMEOUT + 1) == "aborted"


def test_a_stopping_worker_aborts_after_the_linger_timeout() -> None:
    close = MemoryClose(unsent=1_000)
    close.lingering.start(half_closed=False)
    close.lingering.start_abort_timer()
    close.loop.move(LINGER_TIMEOUT)
    assert close.transport.state == "aborted"
