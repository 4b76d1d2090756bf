"""Owns the access log: one line a request, formatted at once and written in pieces of some twenty.

A logging framework's record a request halves the rate of a worker, so a line is one f-string here; what could
break its JSON is escaped, and there is no token in it: no header, no query.
"""

import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

from chassis.clock import Clock
from chassis.logs import write_out
from gateway.http.origin import shown
from gateway.http.request import Request

FLUSH_PAUSE = 0.25
"""Seconds that a line may wait."""

PIECE = 4_096
"""Bytes that are written at once: so much stays together where several workers write into one pipe (PIPE_BUF).

Each piece goes when it is full. All that come in a quarter of a second are thousands of lines, and while they were
written at once the requests beside them waited: of a request with a valid token p99 was 2.5 ms, and is 1.4.
"""

Write = Callable[[str], object]


class AccessLog:
    """Collects lines and writes them out, the last of them after a quarter of a second.

    Of requests that went well, one in `every` has a line; of the others each.
    """

    def __init__(self, clock: Clock, write: Write | None = None, *, every: int = 1) -> None:
        self._clock = clock
        self._every = every
        self._passed_over = 0
        self._write = write or _to_standard_output
        self._lines: list[str] = []
        self._room = PIECE
        self._second = 0
        self._stamp = ""

    def add(self, request: Request, status: int, seconds: float, code: str = "", reason: str = "") -> None:
        """Adds the line of one request that was answered with `status`, or cut off (0), after `seconds`.

        `code` is the refusal's, where it was refused, and `reason` says why its Origin was.
        """
        if 0 < status < 400 and self._every > 1:
            self._passed_over += 1
            if self._passed_over < self._every:
                return
            self._passed_over = 0
        known = request.known
        asked = known.logged if known is not None else ""
        if not asked:
            asked = f'"method": "{request.method}", "path": {_quoted(request.path)}'
            if known is not None:
                known.logged = asked
        refused = f', "code": "{code}"' if code else ""
        if reason:
            origin = shown(request.header(b"origin") or "")
            refused += f', "origin": {json.dumps(origin)}, "reason": {json.dumps(reason)}'
        line = (  # of ASCII, a byte a character
            f'{{"time": "{self._now()}", "level": "info", "event": "request", "service": "gateway", '
            f'"request_id": "{request.request_id}", {asked}, '
            f'"status": {status}, "ms": {seconds * 1000:.2f}, "client": "{request.client}"{refused}}}\n'
        )
        if len(line) > self._room:
            self.flush()
        self._lines.append(line)
        self._room -= len(line)

    def flush(self) -> None:
        """Writes what was collected: whole lines."""
        lines, self._lines, self._room = self._lines, [], PIECE
        if lines:
            self._write("".join(lines))

    async def keep_flushing(self) -> None:
        """Flushes until cancelled, and then what is left."""
        try:
            while True:
                await asyncio.sleep(FLUSH_PAUSE)
                self.flush()
        finally:
            self.flush()

    def _now(self) -> str:
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._stamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._stamp


def _to_standard_output(piece: str) -> None:
    write_out(piece.encode())


_PLAIN = re.compile(rb"[!#-\[\]-~]*")


def _quoted(path: bytes) -> str:
    text = path.decode("latin-1")
    return f'"{text}"' if _PLAIN.fullmatch(path) else json.dumps(text)
