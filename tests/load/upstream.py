"""`python -m tests.load.upstream PORT SECONDS NOTE`: an upstream that reads the whole request before it responds.

It responds with the contents of the file NOTE after so many seconds. It costs about 15 us per request, with two or
two thousand waiting connections, so it does not affect the measurement.
"""

import asyncio
import sys
from pathlib import Path
from typing import cast

import uvloop


class Upstream(asyncio.Protocol):
    """One connection. It relies on its client, the gateway under test, for well-formed requests."""

    def __init__(self, answer: bytes, seconds: float) -> None:
        self._answer = answer
        self._seconds = seconds
        self._head = b""
        self._missing = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop: a head, perhaps in parts, or a part of a body."""
        if self._missing:
            self._missing -= len(data)
        else:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            self._missing = _length(self._head[:end]) - (len(self._head) - end - 4)
            self._head = b""
        if self._missing == 0:
            self._reply()

    def _reply(self) -> None:
        if self._seconds:
            asyncio.get_running_loop().call_later(self._seconds, self._write)
        else:
            self._write()

    def _write(self) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(self._answer)


def _length(head: bytes) -> int:
    """Return the Content-Length; no measured request is chunked."""
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


async def serve(port: int, seconds: float, note: bytes) -> None:
    """Serve until the process is ended."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(note)}\r\n\r\n"
    answer = head.encode() + note
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Upstream(answer, seconds), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]).read_bytes()))
