"""An upstream that sends more bytes than its answer has: no client gets them, and their connection is closed."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from gateway.upstream_connections.connection_pool import BODILESS_QUARANTINE
from tests.gateway.raw_client import RawClient
from tests.gateway.raw_upstream import Conversation, RawUpstream, Script, ok
from tests.gateway.running_gateway import RunningGateway

CHOSEN = ok(b"chosen by somebody else", "X-Chosen: yes")

ANSWERS = {
    "HEAD": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304": b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n',
    "200": ok(b"whole"),
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n",
}


def sending_surplus(kind: str, delay: float | None) -> Script:
    """Answers `/public/surplus` with `kind` and sends one more answer `delay` seconds later (None: at once).

    Where this machine is so busy that the second would come when a rest may be over, it is not sent: nothing would
    tell it from the answer to the next request. test_surplus_in_order.py has what does not depend on time.
    Every other request is answered with its own target.
    """

    async def script(conversation: Conversation) -> None:
        await conversation.read_body()
        target = conversation.request.request_line.split(" ")[1]
        if target != "/public/surplus":
            await conversation.write(ok(target.encode()))
        elif delay is None:
            await conversation.write(ANSWERS[kind] + CHOSEN)
        else:
            begun = time.monotonic()
            await conversation.write(ANSWERS[kind])
            await asyncio.sleep(delay)
            if time.monotonic() - begun < BODILESS_QUARANTINE / 2:
                await conversation.write(CHOSEN)

    return script


@pytest.mark.parametrize(
    ("kind", "delay"),
    [
        *((kind, delay) for kind in ("HEAD", "204", "304") for delay in (None, 0.0, 0.003)),
        ("200", None),
        ("chunked", None),
    ],
)
def test_no_client_gets_what_another_ones_answer_was_followed_by(
    gateway: RunningGateway, upstream: RawUpstream, kind: str, delay: float | None
) -> None:
    """Four clients, 240 requests; a quarter of the answers are followed by another."""
    upstream.begin(sending_surplus(kind, delay))
    numbers = count()

    def ask_many(place: int) -> list[tuple[str, bytes]]:
        wrong = []
        with gateway.connect() as client:
            for _ in range(60):
                if place == 0:
                    method = "HEAD" if kind == "HEAD" else "GET"
                    client.ask(f"{method} /public/surplus HTTP/1.1", "Host: h")
                    continue
                target = f"/public/{next(numbers)}"
                answer = client.ask(f"GET {target} HTTP/1.1", "Host: h")
                if (answer.status, answer.body) != (200, target.encode()):
                    wrong.append((target, answer.body))
        return wrong

    with ThreadPoolExecutor(4) as clients:
        assert [wrong for each in clients.map(ask_many, range(4)) for wrong in each] == []


@pytest.mark.parametrize("surplus", [b"\r\n", b"\n", b"0\r\n\r\n", b"H", b"hello", CHOSEN])
@pytest.mark.parametrize("kind", ANSWERS)
def test_whatever_follows_an_answer_ends_its_connection(
    gateway: RunningGateway, upstream: RawUpstream, kind: str, surplus: bytes
) -> None:
    """Also an empty line, and what a parser would take for the end of a chunked body."""

    async def script(conversation: Conversation) -> None:
        await conversation.write(ANSWERS[kind] + surplus)

    upstream.begin(script)
    with RawClient(gateway.port) as client:
        for _ in range(2):
            method = "HEAD" if kind == "HEAD" else "GET"
            assert client.ask(f"{method} /public/ HTTP/1.1", "Host: h").get("x-chosen") is None
    assert [request.connection for request in upstream.requests] == sorted(
        {request.connection for request in upstream.requests}
    )
    assert len(upstream.requests) == 2
