"""Errors of connections to upstream addresses, before and after a connection is established."""

from typing import Literal

FailureReason = Literal["stale", "broken", "malformed", "timeout", "overdue", "closed"]
"""Why an exchange failed; the value is also a metric label.

"stale": a reused connection was unusable, or ended before the first byte of the response, so the request may be sent
again. "broken": the connection ended later than that. "malformed": the bytes are no valid response. "timeout": the
upstream sent nothing, or did not read the upload, for the read timeout. "overdue": the total timeout passed.
"closed": the gateway closed the connection.
"""


class Unreachable(Exception):
    """No connection to the address could be established. `errno` is the system's error number, if there is one."""

    def __init__(self, reason: str, errno: int | None = None) -> None:
        super().__init__(reason)
        self.errno = errno


class UpstreamFailed(Exception):
    """An exchange failed. `detail` says what is wrong with a malformed response."""

    def __init__(self, reason: FailureReason, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail

    def copy(self) -> "UpstreamFailed":
        """Return an equal error that can be raised while this one stays stored in a connection.

        A stored error that is raised refers back to its connection through the traceback, so that only the garbage
        collector would free both.
        """
        copied = UpstreamFailed(self.reason, self.detail)
        copied.__cause__ = self.__cause__
        return copied
