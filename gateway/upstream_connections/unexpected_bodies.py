"""Remembers whether the service at an address sends bytes behind answers that have no body.

After an answer to HEAD, a 204 or a 304 such bytes are a body that must not be there (RFC 9112 6.3). They may come
late, and a service that sends them once sends them again. See docs/decisions/0023.
"""

import structlog

REMEMBERED = 600
"""Seconds after the latest such bytes."""

_log = structlog.get_logger("surplus")


class Surplus:
    """Of one upstream address. `now` is the loop's time."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._expected_until = float("-inf")

    def note(self, now: float) -> None:
        """Record bytes behind an answer that has no body."""
        if not self.is_expected(now):
            _log.warning("upstream_sent_unexpected_body", address=self._address)
        self._expected_until = now + REMEMBERED

    def is_expected(self, now: float) -> bool:
        """Return whether there were such bytes in the last REMEMBERED seconds."""
        return now < self._expected_until
