"""The access log: JSON lines, one per logged request, written in chunks of about twenty lines.

A line is one f-string, because a record of a logging framework per request halves a worker's throughput. A line
holds no query and, apart from a refused Origin, no header field. In a path, `[mail-token]` replaces the token of a
link in a mail. Therefore a line holds no token.
"""

import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

from chassis.clock import Clock
from chassis.logs import LogFormat, write_out
from gateway.http.origin import printable
from gateway.http.request import Request, RequestRecord

FLUSH_SECONDS = 0.25
"""Longest time for which a line waits to be written."""

CHUNK_BYTES = 4_096
"""Largest size of a write of several lines: PIPE_BUF. Lines of several workers in one pipe do not mix within a write
of this size.

A full chunk is written at once. If all lines of FLUSH_SECONDS are written together, other requests are delayed: the
p99 of a request with a valid token is 2.5 ms instead of 1.4 ms.
"""

Write = Callable[[str], object]
"""Writes a chunk of complete lines."""


class AccessLog:
    """Collects lines and writes them in chunks.

    Every failed or refused request gets a line. Of the successful requests (status below 400), one in `every` does.
    """

    def __init__(self, clock: Clock, write: Write | None = None, *, every: int = 1) -> None:
        self._clock = clock
        self._every = every
        self._skipped = 0
        self._write = write or _to_standard_output
        self._lines: list[str] = []
        self._free_bytes = CHUNK_BYTES
        self._second = 0
        self._timestamp = ""

    def add(
        self,
        request: Request,
        record: RequestRecord,
        status: int,
        seconds: float,
        code: str = "",
        reason: str = "",
    ) -> None:
        """Add the line of a request that took `seconds`. `status` is 0 if the response was cut off.

        `code` is the error code of a refused request; `reason` says why its Origin was refused.
        """
        if 0 < status < 400 and self._every > 1 and not code:
            self._skipped += 1
            if self._skipped < self._every:
                return
            self._skipped = 0
        milliseconds = seconds * 1000
        # With `%`: mypyc compiles a number with a format in an f-string to str.format, which takes 0.5 us more.
        if record.sent_at:  # the upstream's time and the gateway's own
            upstream_ms = (record.answered_at - record.sent_at) * 1000
            own_ms = milliseconds - upstream_ms
            timings = '"ms": %.2f, "upstream_ms": %.2f, "gateway_ms": %.2f' % (milliseconds, upstream_ms, own_ms)  # noqa: UP031
        else:
            timings = '"ms": %.2f' % milliseconds  # noqa: UP031
        trace = f'"trace_id": "{record.trace_id}", ' if record.trace_id else ""
        known = _known_members(record.route, record.subject, record.session)
        error_members = f', "code": "{code}"' if code else ""
        if reason:
            origin = printable(request.header(b"origin") or "")
            error_members += f', "origin": {json.dumps(origin)}, "reason": {json.dumps(reason)}'
        second = int(self._clock())
        if second != self._second:
            self._set_time(second)
        line = (  # ASCII, so its length is its size in bytes
            f'{{"time": "{self._timestamp}", "level": "info", "event": "request", "service": "gateway", '
            f'"request_id": "{request.request_id}", {trace}"method": "{request.method}", '
            f'"path": {_quoted(request.path)}, "status": {status}, {timings}, "client": "{request.client}"'
            f"{known}{error_members}}}\n"
        )
        if len(line) > self._free_bytes:
            self.flush()
        self._lines.append(line)
        self._free_bytes -= len(line)

    def flush(self) -> None:
        """Write the collected lines."""
        lines, self._lines, self._free_bytes = self._lines, [], CHUNK_BYTES
        if lines:
            self._write("".join(lines))

    async def keep_flushing(self) -> None:
        """Flush every FLUSH_SECONDS until cancelled, and once more at the end."""
        try:
            while True:
                await asyncio.sleep(FLUSH_SECONDS)
                self.flush()
        finally:
            self.flush()

    def _set_time(self, second: int) -> None:
        self._second = second
        self._timestamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(4_096)  # the same for all requests of a session on one route
def _known_members(route: str, subject: str, session: str) -> str:
    """Return the members of a line that name the route and the client; each only if it is known."""
    members = {"route": route, "subject": subject, "sid": session}
    return "".join(f', "{name}": {json.dumps(value)}' for name, value in members.items() if value)


def _to_standard_output(chunk: str) -> None:
    write_out(chunk.encode())


def line_writer(log_format: LogFormat) -> Write:
    """Return the function that writes lines to standard output in this format."""
    return _to_terminal if log_format == "console" else _to_standard_output


def _to_terminal(chunk: str) -> None:
    from chassis.console_log import console_text  # imported for a terminal only, because it costs 30 ms

    write_out("".join(f"{console_text(json.loads(line))}\n" for line in chunk.splitlines()).encode())


_PLAIN = bytes(code for code in range(0x21, 0x7F) if code not in b'"\\')
"""Characters of most paths, which JSON does not escape, so that these paths need no JSON encoder."""


_MAIL_TOKEN = re.compile(rb"/[0-9a-z]{6,8}-[A-Za-z0-9_-]{43}(?=/|$)")
"""The token of a link in a mail (auth_service/accounts/mail_tokens.py), as a segment of an app's path."""
_MAIL_TOKEN_BYTES = 51
"""Length of the shortest path with such a token. Shorter ones, which are most, are not searched."""


def without_mail_token(path: bytes) -> bytes:
    """Return `path` with `[mail-token]` in place of the token of a link in a mail."""
    return _MAIL_TOKEN.sub(b"/[mail-token]", path) if len(path) >= _MAIL_TOKEN_BYTES else path


def _quoted(path: bytes) -> str:
    if len(path) >= _MAIL_TOKEN_BYTES:
        path = without_mail_token(path)
    text = path.decode("latin-1")
    return json.dumps(text) if path.translate(None, _PLAIN) else f'"{text}"'
