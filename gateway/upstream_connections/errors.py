"""Errors of a connection to an upstream address, before and after it is established."""

from typing import Literal

FailureReason = Literal["stale", "broken", "malformed", "timeout", "overdue", "closed"]
"""Why an exchange failed; the value is also a metric label.

"stale": a reused connection ended before any byte of the response. "broken": the connection ended later than that.
"malformed": the bytes are no valid response. "timeout": the upstream exceeded its read timeout. "overdue": the
exchange exceeded its total timeout. "closed": the gateway closed the connection.
"""


class Unreachable(Exception):
    """No connection to the address could be established."""


class UpstreamFailed(Exception):
    """An exchange failed; `detail` says what is wrong with a malformed response."""

    def __init__(self, reason: FailureReason, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
