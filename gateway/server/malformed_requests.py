"""Log and count what is refused before there is a request: malformed HTTP, oversized heads, bad PROXY headers.

Each is counted. At most LINES_A_SECOND are logged, so that an attack is visible and cannot flood the log; a line
says how many were left out before it.
"""

from collections.abc import Callable

import structlog

from chassis.clock import Clock

LINES_A_SECOND = 5
"""Of one worker."""

Count = Callable[[int, str], None]
"""Count one refusal by its status (0 where the connection was closed without an answer) and its code."""

_log = structlog.get_logger("malformed_requests")


class MalformedRequests:
    """The malformed requests of one worker. `clock` gives seconds."""

    def __init__(self, count: Count, clock: Clock) -> None:
        self._count = count
        self._clock = clock
        self._second = 0
        self._logged = 0
        self._left_out = 0

    def note(self, client: str, status: int, code: str, request_id: str, reason: str) -> None:
        """Count one, and log it within the bound. `reason` is a fixed text and quotes nothing that was sent."""
        self._count(status, code)
        second = int(self._clock())
        if second != self._second:
            self._second, self._logged = second, 0
        if self._logged >= LINES_A_SECOND:
            self._left_out += 1
            return
        self._logged += 1
        left_out, self._left_out = self._left_out, 0
        _log.warning(
            "malformed_request",
            client=client,
            status=status,
            code=code,
            request_id=request_id,
            reason=reason,
            not_logged=left_out,
        )
