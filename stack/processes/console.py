"""Terminal output: messages of the stack and the output of all processes, each line with a name in front."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO

NAME_WIDTH = 8
"""Characters of the column for names: "resource" has eight."""
CHUNK_BYTES = 65536
"""Maximum number of bytes that one read of a process's output returns."""
STACK = "stack"
"""The name in front of messages of the stack."""
REMINDER_LINES = 40
"""After so many lines of output, a terminal shows the reminder again."""
_STYLES = {STACK: "\x1b[1m", "gateway": "\x1b[36m", "auth": "\x1b[35m", "resource": "\x1b[34m"}
_RESET = "\x1b[0m"


def has_colors(environ: Mapping[str, str], output: BinaryIO) -> bool:
    """Return whether to write colors to `output`: if it is a terminal, and NO_COLOR is not set (no-color.org)."""
    return output.isatty() and not environ.get("NO_COLOR")


class Console:
    """Writes whole lines to the terminal. If the reader closes the pipe, output stops and the system runs on."""

    def __init__(self, output: BinaryIO | None = None, environ: Mapping[str, str] = os.environ) -> None:
        written = output or sys.stdout.buffer
        self._output: BinaryIO | None = written
        self._colors = has_colors(environ, written)
        self._reminds = written.isatty()
        self._reminder = ""
        self._lines_since_reminder = 0

    def remind(self, text: str) -> None:
        """Write the message `text` now, and on a terminal again whenever it has scrolled away."""
        self._reminder = text
        self._lines_since_reminder = 0
        self.write_message(text)

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
        style, reset = (_STYLES.get(name, ""), _RESET) if self._colors else ("", "")
        self.write(f"{style}{name:{NAME_WIDTH}}{reset} | ".encode() + text + b"\n")
        self._lines_since_reminder += 1
        if self._reminds and self._reminder and self._lines_since_reminder > REMINDER_LINES:
            self.remind(self._reminder)

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
