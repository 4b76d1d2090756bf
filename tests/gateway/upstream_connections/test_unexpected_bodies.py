"""Bytes after the end of a response reach no client, and their connection is closed."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from structlog.testing import capture_logs

from gateway.upstream_connections.connection_pool import BODILESS_QUARANTINE
from gateway.upstream_connections.unexpected_bodies import REMEMBER_SECONDS, UnexpectedBodies
from tests.gateway.raw_client import RawClient
from tests.gateway.raw_upstream import Conversation, RawUpstream, Script, ok
from tests.gateway.running_gateway import RunningGateway

INJECTED = ok(b"injected", "X-Injected: yes")

RESPONSES = {
    "HEAD": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304": b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n',
    "200": ok(b"whole"),
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n",
}


def test_an_unexpected_body_is_remembered_for_ten_minutes_and_logged_once() -> None:
    bodies = UnexpectedBodies("h")
    assert not bodies.came_recently(0)
    with capture_logs() as lines:
        bodies.record(0)
        bodies.record(REMEMBER_SECONDS - 1)
        assert bodies.came_recently(2 * REMEMBER_SECONDS - 2)
        assert not bodies.came_recently(2 * REMEMBER_SECONDS - 1)
        bodies.record(3 * REMEMBER_SECONDS)
    assert [(line["event"], line["address"]) for line in lines] == [("upstream_sent_unexpected_body", "h")] * 2


def sending_two_responses(kind: str, delay: float | None) -> Script:
    """Return a script that sends a second response to `/public/twice`, `delay` seconds later (None: at once).

    On a busy machine it could be sent after the quarantine, when it looks like the response to the next request. It
    is not sent then; test_bodiless_quarantine.py covers every order without depending on time.
    Every other request is answered with its own target.
    """

    async def script(conversation: Conversation) -> None:
        await conversation.read_body()
        target = conversation.request.request_line.split(" ")[1]
        if target != "/public/twice":
            await conversation.write(ok(target.encode()))
        elif delay is None:
            await conversation.write(RESPONSES[kind] + INJECTED)
        else:
            started = time.monotonic()
            await conversation.write(RESPONSES[kind])
            await asyncio.sleep(delay)
            if time.monotonic() - started < BODILESS_QUARANTINE / 2:
                await conversation.write(INJECTED)

    return script


@pytest.mark.parametrize(
    ("kind", "delay"),
    [
        *((kind, delay) for kind in ("HEAD", "204", "304") for delay in (None, 0.0, 0.003)),
        ("200", None),
        ("chunked", None),
    ],
)
def test_no_client_gets_the_bytes_after_another_clients_response(
    gateway: RunningGateway, upstream: RawUpstream, kind: str, delay: float | None
) -> None:
    """Four clients send 240 requests; a second response follows a quarter of the responses."""
    upstream.begin(sending_two_responses(kind, delay))
    targets = count()

    def send_many(client_number: int) -> list[tuple[str, bytes]]:
        wrong = []
        with gateway.connect() as client:
            for _ in range(60):
                if client_number == 0:
                    method = "HEAD" if kind == "HEAD" else "GET"
                    client.request(f"{method} /public/twice HTTP/1.1", "Host: h")
                    continue
                target = f"/public/{next(targets)}"
                answer = client.request(f"GET {target} HTTP/1.1", "Host: h")
                if (answer.status, answer.body) != (200, target.encode()):
                    wrong.append((target, answer.body))
        return wrong

    with ThreadPoolExecutor(4) as clients:
        assert [wrong for each in clients.map(send_many, range(4)) for wrong in each] == []


@pytest.mark.parametrize("surplus", [b"\r\n", b"\n", b"0\r\n\r\n", b"H", b"hello", INJECTED])
@pytest.mark.parametrize("kind", RESPONSES)
def test_bytes_after_a_response_close_its_connection(
    gateway: RunningGateway, upstream: RawUpstream, kind: str, surplus: bytes
) -> None:
    """Even an empty line, and bytes that a parser reads as the end of a chunked body."""

    async def script(conversation: Conversation) -> None:
        await conversation.write(RESPONSES[kind] + surplus)

    upstream.begin(script)
    with RawClient(gateway.port) as client:
        for _ in range(2):
            method = "HEAD" if kind == "HEAD" else "GET"
            assert client.request(f"{method} /public/ HTTP/1.1", "Host: h").get("x-injected") is None
    assert [request.connection for request in upstream.requests] == sorted(
        {request.connection for request in upstream.requests}
    )
    assert len(upstream.requests) == 2
