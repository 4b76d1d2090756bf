"""A client that has closed its sending side gets its responses; if it is gone, its requests are aborted."""

import asyncio
import socket
import threading
import time
from typing import Any, ClassVar, cast

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from gateway.http.request import Request
from gateway.server.client_address import TrustedProxies
from gateway.server.client_presence import PROBE_INTERVAL, ClientCheck, Step
from gateway.server.http_protocol import ServerProtocol
from gateway.server.malformed_requests import MalformedRequests
from gateway.server.request_cycle import ClientConnection, RequestCycle
from gateway.server.request_head_cache import RequestHeadCache
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, ok
from tests.gateway.running_gateway import QUICK_PROBING, RunningGateway
from tests.gateway.server.bounded_route import (
    GOOD_GET,
    GOOD_POST,
    REFUSED,
    all_slots_are_free,
    statuses_until_closed,
)

TIMEOUT = 30.0


def cycle_of(http_version: str) -> RequestCycle:
    request = Request("id", "GET", b"/", b"", [], http_version, "192.0.2.1", "http", None)
    return RequestCycle(cast(ClientConnection, None), request, keep_alive=True, expects_continue=False)


def test_a_half_closed_client_is_probed_at_intervals() -> None:
    client, cycle = ClientCheck(TIMEOUT), cycle_of("1.1")
    times = (0.0, 0.1, PROBE_INTERVAL, PROBE_INTERVAL + 0.1, 2 * PROBE_INTERVAL, 100.0)
    steps = [client.half_closed_step(cycle, now) for now in times]
    assert steps == [Step.PROBE, Step.WAIT, Step.WAIT, Step.PROBE, Step.WAIT, Step.PROBE]


@pytest.mark.parametrize(("http_version", "started"), [("1.0", False), ("1.0", True), ("1.1", True)])
def test_a_response_to_a_client_that_cannot_be_probed_is_aborted_after_a_pause(
    http_version: str, started: bool
) -> None:
    client, cycle = ClientCheck(TIMEOUT), cycle_of(http_version)
    cycle.started = started
    assert client.half_closed_step(cycle, 0.0) is Step.WAIT
    assert client.half_closed_step(cycle, TIMEOUT) is Step.WAIT
    cycle.parts_sent += 1  # progress
    assert client.half_closed_step(cycle, TIMEOUT + 1) is Step.WAIT
    assert client.half_closed_step(cycle, 2 * TIMEOUT + 1) is Step.WAIT
    assert client.half_closed_step(cycle, 2 * TIMEOUT + 1.1) is Step.ABORT


def test_the_timeout_starts_anew_for_each_response() -> None:
    client = ClientCheck(TIMEOUT)
    assert client.half_closed_step(cycle_of("1.0"), 0.0) is Step.WAIT
    assert client.half_closed_step(cycle_of("1.0"), TIMEOUT + 1) is Step.WAIT


def test_an_event_stream_to_a_half_closed_client_is_aborted_at_once() -> None:
    client, cycle = ClientCheck(TIMEOUT), cycle_of("1.1")
    cycle.is_event_stream = True
    assert client.half_closed_step(cycle, 0.0) is Step.ABORT


# --- over sockets ------------------------------------------------------------------------------------------------


def test_a_half_closed_client_gets_the_responses_to_its_complete_requests(
    bounded: RunningGateway, upstream: RawUpstream
) -> None:
    """An incomplete request is not executed."""
    for unfinished in (b"", b"GET /bounded/none HT", GOOD_POST[:-2]):
        upstream.begin()
        with bounded.connect() as client:
            client.send(GOOD_GET + REFUSED + GOOD_POST + unfinished)
            client.socket.shutdown(socket.SHUT_WR)
            assert statuses_until_closed(client) == [200, 401, 200]
        assert len(upstream.requests) == 2
    assert all_slots_are_free(bounded, upstream)


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_a_half_closed_client_gets_a_late_response(
    bounded: RunningGateway, upstream: RawUpstream, version: bytes
) -> None:
    """In HTTP/1.1 a probe precedes it; HTTP/1.0 has no interim responses."""

    async def slow(conversation: Conversation) -> None:
        await asyncio.sleep(QUICK_PROBING.half_closed / 2)
        await conversation.write(ok(b"late"))

    upstream.begin(slow)
    with bounded.connect() as client:
        client.send(GOOD_GET.replace(b"1.1", version))
        client.socket.shutdown(socket.SHUT_WR)
        received = client.read_to_end()
    assert received.startswith(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK" if version == b"1.1" else b"HTTP/1.1 200"
    )
    assert received.endswith(b"\r\n\r\nlate")


@pytest.mark.parametrize("raw", [GOOD_GET, GOOD_POST, GOOD_GET.replace(b"1.1", b"1.0"), GOOD_GET + GOOD_GET])
@pytest.mark.parametrize("started", [False, True])
def test_the_request_of_a_client_that_is_gone_ends(
    bounded: RunningGateway, upstream: RawUpstream, raw: bytes, started: bool
) -> None:
    """This also holds for pipelined requests, and before and after the response has started."""
    arrived = threading.Event()

    async def endless(conversation: Conversation) -> None:
        if started:
            await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nstarted")
        arrived.set()
        await conversation.wait_for_close()

    upstream.begin(endless)
    with bounded.connect() as client:
        client.send(raw)
        assert arrived.wait(WAIT)
    assert upstream.last.closed.wait(WAIT)
    assert len(upstream.requests) == 1
    assert all_slots_are_free(bounded, upstream)


def test_half_closing_works_on_asyncio_as_on_uvloop() -> None:
    """The transports of asyncio's event loop differ from those of uvloop."""

    class App:
        request_head_cache = RequestHeadCache()
        trusted_proxies = TrustedProxies(())
        malformed_requests = MalformedRequests(lambda status, code: None, time.time)
        client_timeouts = QUICK_PROBING
        max_bytes_outside_bodies = 98_304
        default_response_lines: ClassVar = {"http": b""}

        def next_request_id(self) -> str:
            return "id"

        def begin(self, cycle: RequestCycle) -> None:
            asyncio.get_running_loop().call_later(0.2, cycle.respond, 200, [(b"content-length", b"2")], b"ok")

    async def exchange() -> bytes:
        config = Config(cast(Any, App()), log_config=None)
        state = ServerState()
        state.default_headers = [(b"date", b"now")]
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: cast(Any, ServerProtocol(config, state, {})), "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(GOOD_GET)
            writer.write_eof()
            async with asyncio.timeout(WAIT):
                received = await reader.read()
            writer.close()
            return received

    received = asyncio.run(exchange(), debug=False)
    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    assert received.endswith(b"\r\n\r\nok")
