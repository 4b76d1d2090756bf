"""An upstream that reads the whole request and responds with the contents of a file.

`python -m tests.load.measuring.upstream PORT SECONDS NOTE` responds with the file NOTE after SECONDS. It costs about
15 us per request, with two or two thousand waiting connections, so it does not affect the measurement.
"""

import asyncio
import sys
from pathlib import Path
from typing import cast

import uvloop


class Upstream(asyncio.Protocol):
    """One connection. It expects well-formed requests, since its client is the measured gateway."""

    def __init__(self, response: bytes, seconds: float) -> None:
        self._response = response
        self._seconds = seconds
        self._head = b""
        self._missing = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Read a part of a head or of a body, and respond at the end of the request."""
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
            self._transport.write(self._response)


def _length(head: bytes) -> int:
    """Return the Content-Length; no measured request is chunked."""
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


async def serve(port: int, seconds: float, note: bytes) -> None:
    """Serve until the process is ended."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(note)}\r\n\r\n"
    response = head.encode() + note
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Upstream(response, seconds), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]).read_bytes()))
