"""What a person sees: the stack's own words and every process's output, each line under its name."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import BinaryIO

NAME_WIDTH = 8
CHUNK = 65536
STACK = "stack"


class Console:
    """Writes whole lines; once nobody reads them any more it falls silent, and the system runs on."""

    def __init__(self, output: BinaryIO | None = None) -> None:
        self._output: BinaryIO | None = output or sys.stdout.buffer

    def say(self, text: str) -> None:
        """A line of the stack's own."""
        self.line(STACK, text.encode())

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """A line once the step is done, with the seconds it took."""
        started = time.monotonic()
        yield
        self.say(f"{what} ({time.monotonic() - started:.1f} s)")

    def line(self, name: str, text: bytes) -> None:
        """`text` as it is, JSON or not, behind the name."""
        self.write(f"{name:{NAME_WIDTH}} | ".encode() + text + b"\n")

    def write(self, text: bytes) -> None:
        """As it is."""
        if self._output is None:
            return
        try:
            self._output.write(text)
            self._output.flush()
        except OSError:  # the reader went away, as `| head` does
            self._output = None

    async def relay(self, name: str, pipe: int) -> None:
        """Passes on what comes out of the pipe, until nobody holds its other end, and closes it."""
        stream = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(stream)
        file = os.fdopen(pipe, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, file)
        try:
            async for line in _lines(stream):
                self.line(name, line)
        finally:
            transport.close()


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length; a last one without a line break counts."""
    rest = b""
    while chunk := await stream.read(CHUNK):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line
    if rest:
        yield rest
