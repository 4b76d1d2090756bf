"""A service that resets or closes connections at random, before, within and after responses.

`python -m tests.load.soak.resetting_upstream SEED` prints its port and serves. It checks that each request has the
body of its number, and that no request with a body comes twice. `GET /counts` returns its counts.
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

from tests.load.soak.numbered_bodies import in_chunks, request_body, response_body

FAULTS = (
    "reset on the head",
    "reset before the response",
    "reset in the response",
    "close in the response",
    "reset after it",
)
FAULT_RATE = 0.05
"""The fraction of requests with a fault."""


class Service:
    """The state that all connections share: random numbers, counts, and the numbers of received requests."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self._received: set[int] = set()

    def problem(self, number: int, body: bytes) -> str:
        """Return the problem with a request, or an empty string."""
        is_repeated = number in self._received
        self._received.add(number)
        if body != request_body(number):
            return f"{number} came with {len(body)} bytes of another body: {body[:40]!r}"
        return f"{number} had a body and came twice" if is_repeated and body else ""


class Conversation(asyncio.Protocol):
    """A client's connection. The methods whose names begin with `on_` are callbacks of httptools."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body: list[bytes] = []
        self._fault = ""
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, unless a fault has ended the connection."""
        if not self._ended:
            self._parser.feed_data(data)

    # --- httptools -------------------------------------------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        """Add a part of the URL."""
        self._url += url

    def on_headers_complete(self) -> None:
        """Choose the fault of the request, if any."""
        if self._url == b"/counts":
            return
        rng = self._service.rng
        self._fault = rng.choice(FAULTS) if rng.random() < FAULT_RATE else ""
        if self._fault == "reset on the head":
            self._end(by_reset=True)

    def on_body(self, body: bytes) -> None:
        """Add a part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Check the request, and respond or fail as chosen."""
        url, body, self._url, self._body = self._url, b"".join(self._body), b"", []
        if self._ended:
            return
        if url == b"/counts":
            self._transport.write(_response(200, json.dumps(self._service.counts).encode()))
            return
        number = int(url.rpartition(b"/")[2])
        problem = self._service.problem(number, body)
        if problem:  # 418, because the test accepts only 200, 502 and 503
            self._transport.write(_response(418, problem.encode()))
        elif self._fault == "reset before the response":
            self._end(by_reset=True)
        else:
            self._respond(number)

    # --- response --------------------------------------------------------------------------------------------------

    def _respond(self, number: int) -> None:
        rng, body = self._service.rng, response_body(number)
        chunked = rng.random() < 0.5
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
        framed = in_chunks(body, rng) if chunked else body
        whole = f"HTTP/1.1 200 OK\r\nX-Number: {number}\r\n{framing}\r\n\r\n".encode() + framed
        if self._fault.endswith("in the response"):
            self._transport.write(whole[: rng.randrange(1, len(whole))])
            self._end(by_reset=self._fault.startswith("reset"))
            return
        self._transport.write(whole)
        if self._fault == "reset after it":
            self._end(by_reset=True)
        else:
            self._service.counts["completed"] += 1

    def _end(self, *, by_reset: bool) -> None:
        self._ended = True
        self._service.counts[self._fault] += 1
        if by_reset:
            connection = self._transport.get_extra_info("socket")
            # on, for zero seconds: a close then resets the connection (socket(7))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self._transport.abort()
        else:
            self._transport.close()


def _response(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


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
