"""A service that breaks off at random: `python -m tests.load.resetting_upstream SEED` prints its port and serves.

It breaks off before, within or after a response, by a reset or in order. It checks that each request has the body of
its number, and that no request with a body comes twice. `GET /tally` returns its counts.
"""

import asyncio
import json
import random
import socket
import sys
from collections import Counter
from typing import cast

import httptools
import uvloop

from tests.load.numbered import answer, in_chunks, question

FAULTS = (
    "reset on the head",
    "reset before the answer",
    "reset in the answer",
    "close in the answer",
    "reset after it",
)
FAULTS_OF = 0.05
"""The part of all requests that meets one of them."""


class Service:
    """What all connections share."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.tally: Counter[str] = Counter()
        self._met: set[int] = set()

    def problem(self, number: int, body: bytes) -> str:
        """Return what is wrong with a request; empty if nothing is."""
        twice = number in self._met
        self._met.add(number)
        if body != question(number):
            return f"{number} came with {len(body)} bytes that are not its own: {body[:40]!r}"
        return f"{number} had a body and came twice" if twice and body else ""


class Conversation(asyncio.Protocol):
    """One connection."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body: list[bytes] = []
        self._fault = ""
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if not self._over:
            self._parser.feed_data(data)

    # --- httptools -------------------------------------------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        """Called by the parser."""
        self._url += url

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        if self._url == b"/tally":
            return
        dice = self._service.dice
        self._fault = dice.choice(FAULTS) if dice.random() < FAULTS_OF else ""
        if self._fault == "reset on the head":
            self._end(by_reset=True)

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        url, body, self._url, self._body = self._url, b"".join(self._body), b"", []
        if self._over:
            return
        if url == b"/tally":
            self._transport.write(_whole(200, json.dumps(self._service.tally).encode()))
            return
        number = int(url.rpartition(b"/")[2])
        problem = self._service.problem(number, body)
        if problem:
            self._transport.write(_whole(418, problem.encode()))
        elif self._fault == "reset before the answer":
            self._end(by_reset=True)
        else:
            self._answer(number)

    # --- the answer ------------------------------------------------------------------------------------------------

    def _answer(self, number: int) -> None:
        dice, body = self._service.dice, answer(number)
        chunked = dice.random() < 0.5
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
        framed = in_chunks(body, dice) if chunked else body
        whole = f"HTTP/1.1 200 OK\r\nX-Number: {number}\r\n{framing}\r\n\r\n".encode() + framed
        if self._fault.endswith("in the answer"):
            self._transport.write(whole[: dice.randrange(1, len(whole))])
            self._end(by_reset=self._fault.startswith("reset"))
            return
        self._transport.write(whole)
        if self._fault == "reset after it":
            self._end(by_reset=True)
        else:
            self._service.tally["answered"] += 1

    def _end(self, *, by_reset: bool) -> None:
        self._over = True
        self._service.tally[self._fault] += 1
        if by_reset:
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self._transport.abort()
        else:
            self._transport.close()


def _whole(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


async def serve(seed: int) -> None:
    """Serve until the process is ended."""
    service = Service(seed)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Conversation(service), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
