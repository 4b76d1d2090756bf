"""Deadlines of an exchange: 504 after an upstream's timeout, but not because the client or the gateway is slow."""

import asyncio
import threading
import time

import pytest

from gateway.upstream_connections.connection_pool import ConnectionPool
from gateway.upstream_connections.errors import UpstreamFailed
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, ok, silent
from tests.gateway.running_gateway import RunningGateway
from tests.gateway.single_requests import request_once, status_and_code
from tests.gateway.upstream_connections.pools import HEAD, loop_time, run_with_pool

TOO_LARGE = 24_000_000
"""Bytes: more than all buffers between the client and an upstream that does not read."""

GATEWAY_TIMEOUT = (504, "upstream_timeout")


@pytest.mark.parametrize(
    ("read_timeout", "total", "seconds", "reason"),
    [(10, 0, 9, None), (10, 0, 11, "timeout"), (0, 0, 1e9, None), (10, 5, 6, "overdue"), (0, 5, 4, None)],
)
def test_an_exchange_fails_after_its_deadline(
    upstream: RawUpstream, read_timeout: float, total: float, seconds: float, reason: str | None
) -> None:
    """0 means no timeout; the clock is the one passed to the sweep."""
    upstream.begin(silent)

    async def test(pool: ConnectionPool) -> None:
        connection = await pool.connect(1)
        connection.start(HEAD, b"", whole=True, method="GET", keep_cookies=False, total=total)
        waiting = asyncio.ensure_future(connection.wait_for_head(read_timeout))
        await asyncio.sleep(0)
        pool.sweep(loop_time() + seconds)
        if reason is None:
            assert not connection.has_failed
            waiting.cancel()
            return
        with pytest.raises(UpstreamFailed) as failed:
            await waiting
        assert failed.value.reason == reason

    run_with_pool(upstream, test)


def test_a_silent_upstream_is_a_504(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """Its connection is closed, so that a late response reaches no client."""
    upstream.begin(silent)
    started = time.monotonic()
    assert status_and_code(request_once(gateway, "/short-read-timeout/")) == GATEWAY_TIMEOUT
    assert 0.3 < time.monotonic() - started < 8
    assert upstream.last.closed.wait(WAIT)


def test_an_upstream_that_never_ends_its_head_is_a_504(gateway: RunningGateway, upstream: RawUpstream) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            await conversation.write(b"X: y\r\n")
            await asyncio.sleep(0.05)

    upstream.begin(script)
    assert status_and_code(request_once(gateway, "/short-read-timeout/")) == GATEWAY_TIMEOUT
    assert status_and_code(request_once(gateway, "/short-total-timeout/")) == GATEWAY_TIMEOUT


def test_an_upstream_that_stops_reading_the_body_is_a_504(gateway: RunningGateway, upstream: RawUpstream) -> None:
    async def script(conversation: Conversation) -> None:
        await asyncio.sleep(WAIT)

    upstream.begin(script)
    with gateway.connect() as client:
        client.send(b"POST /short-read-timeout/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (2 * TOO_LARGE))
        client.send(bytes(TOO_LARGE))
        assert status_and_code(client.read_response("POST")) == GATEWAY_TIMEOUT


def test_a_slow_client_does_not_use_up_the_upstreams_timeout(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """The read timeout runs while the gateway waits for the upstream, and not while it waits for the client."""
    with gateway.connect() as client:
        client.send(b"POST /short-read-timeout/ HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n")
        for byte in b"slow":
            client.send(bytes([byte]))
            time.sleep(0.15)  # together twice the read timeout of 0.3 s
        assert client.read_response("POST").status == 200


def test_an_upstream_may_pause_during_an_upload(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """It stops reading for less than the timeout, continues, and then has to wait for the client."""
    resume = threading.Event()

    async def script(conversation: Conversation) -> None:
        await asyncio.to_thread(resume.wait, WAIT)
        await conversation.read_body()
        await conversation.write(ok())

    upstream.begin(script)
    with gateway.connect() as client:
        client.send(b"POST /short-read-timeout/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (TOO_LARGE + 1))
        threading.Timer(0.1, resume.set).start()
        client.send(bytes(TOO_LARGE))
        time.sleep(0.6)  # longer than the timeout, counted from the pause
        client.send(b"x")
        assert client.read_response("POST").status == 200
