"""Concurrent clients of an upstream that resets connections at random: each response belongs to its request."""

import asyncio
import random

from tests.gateway.raw_upstream import Conversation, RawUpstream, ok
from tests.gateway.running_gateway import RunningGateway

CLIENTS = 50
REQUESTS = 40
"""Requests of each client."""


async def unreliable(conversation: Conversation) -> None:
    """Respond with the request's target and body in two writes. One of ten is reset before or between the writes."""
    await conversation.read_body()
    chance = random.random()
    if chance < 0.05:
        conversation.reset()
        return
    answer = ok(conversation.request.request_line.split()[1].encode() + conversation.request.content())
    await conversation.write(answer[:60])
    if chance < 0.10:
        conversation.reset()
        return
    if chance < 0.30:
        await asyncio.sleep(chance / 100)
    await conversation.write(answer[60:])


async def one_client(port: int, number: int) -> list[int]:
    """Compare each complete response with its request. Return the statuses; 0 stands for an aborted response."""
    statuses: list[int] = []
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for index in range(REQUESTS):
        target = f"/public/{number}/{index}"
        body = f"{number}-{index}".encode() * (index % 3)
        method = "POST" if body else "GET"
        writer.write(f"{method} {target} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].split("\r\n")[0])
            content = await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            statuses.append(0)
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            continue
        status = int(head.split()[1])
        statuses.append(status)
        assert status == 502 or (status, content) == (200, target.encode() + body)
        if "connection: close" in head:
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    return statuses


async def all_clients(port: int) -> list[int]:
    found = await asyncio.gather(*(one_client(port, number) for number in range(CLIENTS)))
    return [status for statuses in found for status in statuses]


def test_every_response_belongs_to_its_request(gateway: RunningGateway, upstream: RawUpstream) -> None:
    upstream.begin(unreliable)
    statuses = asyncio.run(all_clients(gateway.port))
    assert len(statuses) == CLIENTS * REQUESTS
    assert statuses.count(200) > 0.8 * len(statuses)
    assert {0, 502} <= set(statuses), "no connection was reset, so nothing was tested"
