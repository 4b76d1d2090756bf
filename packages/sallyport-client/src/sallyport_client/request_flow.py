"""What happens to one request: which token it gets, and whether it is sent again. Sends nothing itself."""

import re
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from sallyport_client.retry_policy import retry_after_in
from sallyport_client.session import Session

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""RFC 9110 9.2.1. Other requests are never sent again after a 503: a service may have executed them."""

_MAX_REFUSALS = 3
_CHALLENGE_ERROR = re.compile(r'\berror="?([a-z_]+)')


@dataclass(frozen=True, slots=True)
class ReceivedResponse:
    """A response, and the request that it answers. `authorization` is that of the request; `headers` ignore case."""

    method: str
    url: str
    authorization: str | None
    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Renew:
    """Wait for `renewal` (None: no need to), and send the request again if the session goes on."""

    renewal: Future[str | None] | None


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for `seconds`, and send the request again."""

    seconds: float


class RequestFlow:
    """The rules by which a request is sent again after a response.

    - After a 401 to the access token of the session, which refuses the request before anything was done: with a token
      that was renewed since, and after one refresh.
    - After a 429 or 503 with Retry-After, if the request changes nothing, within the time of the retry policy.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._logins = session.logins
        self._seconds_left = session.retry.total_seconds
        self._refusals = 0
        self._has_waited = False
        self._is_renewed = False

    @property
    def is_same_login(self) -> bool:
        """Return whether nobody logged in or out since the request began. No request changes its user."""
        return self._session.logins == self._logins

    def authorization(self, url: str) -> str | None:
        """Return the Authorization field for a request to `url`; None if it gets no token.

        A request that waited while another user logged in gets none: it is not that user's.
        """
        access = self._session.access_token if self.is_same_login else None
        # A token that another process stored may have expired too. One that the server has just returned has not.
        self._is_renewed = self._has_waited and self._session.is_token_received
        return f"Bearer {access}" if access and self._session.takes_token(url) else None

    def after(self, received: ReceivedResponse, *, is_replayable: bool) -> Renew | Pause | None:
        """Return how to go on; None if the response is for the caller."""
        if not self.is_same_login:
            return None
        if received.status == 401 and self._is_about_the_token(received):
            return self._after_refusal(received)
        if received.status in (429, 503) and received.method in _SAFE_METHODS and is_replayable:
            return self._pause(retry_after_in(received.headers))
        return None

    def _is_about_the_token(self, received: ReceivedResponse) -> bool:
        if not self._session.takes_token(received.url):
            return False
        if received.authorization is None:  # sent without a session: another process may have logged in since
            return True
        # RFC 6750 3.1: another token of the same session does not mend "insufficient_scope".
        error = _CHALLENGE_ERROR.search(received.headers.get("WWW-Authenticate", ""))
        return error is None or error[1] == "invalid_token"

    def _after_refusal(self, received: ReceivedResponse) -> Renew | None:
        self._refusals += 1
        if self._is_renewed or self._refusals > _MAX_REFUSALS:
            return None
        refused = (received.authorization or "").removeprefix("Bearer ") or None
        renewal = self._session.renewal_after(refused)
        self._has_waited = self._has_waited or renewal is not None
        return Renew(renewal)

    def _pause(self, seconds: float | None) -> Pause | None:
        if seconds is None or seconds > self._seconds_left:
            return None
        self._seconds_left -= max(seconds, 1)
        return Pause(seconds)
