"""Terminal output: messages of the stack and the output of all processes, each line with a name in front."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import BinaryIO

NAME_WIDTH = 8
"""Characters of the column for names: "resource" has eight."""
CHUNK_BYTES = 65536
"""Maximum number of bytes that one read of a process's output returns."""
STACK = "stack"
"""The name in front of messages of the stack."""


class Console:
    """Writes whole lines to the terminal. If the reader closes the pipe, output stops and the system runs on."""

    def __init__(self, output: BinaryIO | None = None) -> None:
        self._output: BinaryIO | None = output or sys.stdout.buffer

    def write_message(self, text: str) -> None:
        """Write a message of the stack."""
        self.write_line(STACK, text.encode())

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Write the message `what` with the duration of the block when the block ends without an error."""
        started = time.monotonic()
        yield
        self.write_message(f"{what} ({time.monotonic() - started:.1f} s)")

    def write_line(self, name: str, text: bytes) -> None:
        """Write one line of output, prefixed with `name`."""
        self.write(f"{name:{NAME_WIDTH}} | ".encode() + text + b"\n")

    def write(self, text: bytes) -> None:
        """Write `text` unchanged."""
        if self._output is None:
            return
        try:
            self._output.write(text)
            self._output.flush()
        except OSError:  # the reader closed the pipe, as `| head` does
            self._output = None

    async def relay(self, name: str, pipe: int) -> None:
        """Write the lines that `pipe`, a file descriptor, receives until its last writer closes it."""
        stream = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(stream)
        file = os.fdopen(pipe, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, file)
        try:
            async for line in _lines(stream):
                self.write_line(name, line)
        finally:
            transport.close()


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield lines of any length. The last line need not end with a line break."""
    rest = b""
    while chunk := await stream.read(CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line
    if rest:
        yield rest
