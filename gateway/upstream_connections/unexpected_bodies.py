"""Remember whether an upstream address has sent a body after a response that must not have one.

A response to HEAD, a 204 and a 304 have no body (RFC 9112 6.3). A faulty service may send one nevertheless, some time
after the head and repeatedly. See docs/decisions/0023.
"""

import structlog

REMEMBER_SECONDS = 600
"""How long an unexpected body is remembered."""

_log = structlog.get_logger("unexpected_bodies")


class UnexpectedBodies:
    """The unexpected bodies of one upstream address. `now` is the loop's time in seconds."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._remembered_until = float("-inf")

    def record(self, now: float) -> None:
        """Record that bytes came after a response without a body; log it unless an earlier one is remembered."""
        if not self.came_recently(now):
            _log.warning("upstream_sent_unexpected_body", address=self._address)
        self._remembered_until = now + REMEMBER_SECONDS

    def came_recently(self, now: float) -> bool:
        """Return whether an unexpected body came within the last REMEMBER_SECONDS."""
        return now < self._remembered_until
