"""The session cookie on hosted pages: offer a handle to the auth service, and set or clear the cookie as it says."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chassis.clock import Clock
from chassis.secret_rotation.watched_secret import Secrets
from contract.page_session import ENDED, OFFER_HEADER, SessionOffer, opened_lifetime, sign_offer
from gateway.browser_sessions.sessions import BrowserSessions
from gateway.http.response_headers import sets_own_cookie

Fields = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class SessionCookieValues:
    """The Set-Cookie values: `to_set` returns the one for a handle and its lifetime in seconds."""

    to_set: Callable[[str, int], str]
    to_clear: str


@dataclass(frozen=True, slots=True, repr=False)
class PageSession:
    """The session cookie of one form: the handle that was offered, and the handle that came with the request."""

    offer_line: bytes
    new_handle: str
    current_handle: str | None
    sessions: BrowserSessions
    cookie: SessionCookieValues

    def apply(self, change: str, fields: Fields) -> list[tuple[bytes, bytes]]:
        """Return the response's `fields` with the Set-Cookie for `change`, the value of X-Session-Change."""
        lifetime = opened_lifetime(change)
        if lifetime is None and change != ENDED:
            return list(fields)
        if self.current_handle is not None:
            self.sessions.mark_ended(self.current_handle)
        value = self.cookie.to_clear if lifetime is None else self.cookie.to_set(self.new_handle, lifetime)
        # Another field may clear the cookie that came with the request. The browser would then lose the new one.
        kept = [field for field in fields if not (field[0] == b"set-cookie" and sets_own_cookie(field[1]))]
        return [*kept, (b"set-cookie", value.encode("ascii"))]


class PageSessions:
    """Offers handles for the forms of pages. The first of the `peer_secrets` signs the offers."""

    def __init__(
        self, sessions: BrowserSessions, cookie: SessionCookieValues, peer_secrets: Secrets, clock: Clock
    ) -> None:
        self._sessions = sessions
        self._cookie = cookie
        self._peer_secrets = peer_secrets
        self._clock = clock

    def offer(self, current_handle: str | None) -> PageSession:
        """Return the session cookie of a form whose request had the cookie `current_handle`."""
        handle = secrets.token_urlsafe(32)
        offer = SessionOffer(_hash(handle), _hash(current_handle) if current_handle else None)
        token = sign_offer(offer, self._peer_secrets.current()[0], now=self._clock())
        line = f"{OFFER_HEADER}: {token}\r\n"
        return PageSession(line.encode("ascii"), handle, current_handle, self._sessions, self._cookie)


def _hash(handle: str) -> str:
    return hashlib.sha256(handle.encode()).hexdigest()
