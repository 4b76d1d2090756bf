"""Log, count and answer input that is refused: malformed or oversized HTTP, late requests, bad PROXY headers.

Each refusal is counted. Each worker logs at most LINES_A_SECOND, so that an attack cannot flood the log; each line
states how many were not logged before it.
"""

from collections.abc import Callable
from typing import NamedTuple

import structlog

from chassis.clock import Clock
from contract.problems import PROBLEM_JSON, Refused
from gateway.http.response_completion import complete_response

LINES_A_SECOND = 5
"""Maximum number of log lines per second and worker."""

Count = Callable[[int, str], None]
"""Counts a refusal by its status (0 if the connection was closed without a response) and its error code."""

_log = structlog.get_logger("malformed_requests")


class MalformedRequests:
    """Counts and logs the malformed requests of one worker. `clock` returns seconds."""

    def __init__(self, count: Count, clock: Clock) -> None:
        self._count = count
        self._clock = clock
        self._second = 0
        self._logged = 0
        self._not_logged = 0

    def record(self, client: str, status: int, code: str, request_id: str, reason: str) -> None:
        """Count a malformed request; log it unless LINES_A_SECOND is reached. `reason` must not quote input."""
        self._count(status, code)
        second = int(self._clock())
        if second != self._second:
            self._second, self._logged = second, 0
        if self._logged >= LINES_A_SECOND:
            self._not_logged += 1
            return
        self._logged += 1
        not_logged, self._not_logged = self._not_logged, 0
        _log.warning(
            "malformed_request",
            client=client,
            status=status,
            code=code,
            request_id=request_id,
            reason=reason,
            not_logged=not_logged,
        )


class FinalResponse(NamedTuple):
    """The last response on a connection whose input was refused. The log line has the same `request_id`."""

    refused: Refused
    request_id: str

    def to_bytes(self, default_response_lines: bytes) -> bytes:
        """Return the whole response; `default_response_lines` are the header lines of every response."""
        body = self.refused.to_body(self.request_id)
        lines = f"content-type: {PROBLEM_JSON}\r\ncontent-length: {len(body)}\r\ncache-control: no-store\r\n"
        return complete_response(
            self.refused.status,
            default_response_lines,
            lines.encode("ascii"),
            self.request_id,
            connection_lines=b"connection: close\r\n",
            body=body,
        )
