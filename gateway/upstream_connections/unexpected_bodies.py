"""A record of upstream addresses that send a body after responses that must not have one.

A response to HEAD, a 204 and a 304 have no body (RFC 9112 6.3). A faulty service may send one late, and repeatedly.
See docs/decisions/0023.
"""

import structlog

REMEMBER_SECONDS = 600
"""How long an unexpected body is remembered."""

_log = structlog.get_logger("unexpected_bodies")


class UnexpectedBodies:
    """The unexpected bodies of one upstream address. `now` is the loop's time."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._expected_until = float("-inf")

    def record(self, now: float) -> None:
        """Record that bytes came after a response without a body; log the first in REMEMBER_SECONDS."""
        if not self.are_expected(now):
            _log.warning("upstream_sent_unexpected_body", address=self._address)
        self._expected_until = now + REMEMBER_SECONDS

    def are_expected(self, now: float) -> bool:
        """Return whether an unexpected body came within the last REMEMBER_SECONDS."""
        return now < self._expected_until
