"""Owns the sessions that browsers hold by an opaque handle: opened by a password, exchanged for tokens, ended.

The gateway keeps the tokens, and the page has but the handle, whose hash stands in the session's row. No refresh
token is made, nothing rotates, so there is nothing to race for; the session idles out as a refresh token would.
"""

from dataclasses import dataclass

from auth_service.accounts.users import Account, Accounts
from auth_service.audit.client import Client
from auth_service.audit.trail import Reason
from auth_service.sessions.revocation import SessionEndings
from auth_service.sessions.store import Session, SessionStore
from auth_service.storage.models import User
from auth_service.tokens.grants import Grants
from auth_service.tokens.issuer import Issuer
from chassis.clock import Clock

RENEW_AFTER = 60.0
"""Seconds of use that a row may be behind, so that an exchange is usually no write."""


class SessionEnded(Exception):
    """The handle's session has ended, has outlived its time, or never was.

    `seconds_ago` is how long ago a log-out, a log-in or a revocation ended it; None where none of them did.
    """

    def __init__(self, seconds_ago: float | None = None) -> None:
        super().__init__("the session has ended")
        self.seconds_ago = seconds_ago


@dataclass(frozen=True, slots=True, repr=False)
class Exchanged:
    """What the gateway gets for a handle. `expires_at` is the session's absolute end."""

    access: str
    expires_at: float
    user: User | Account


@dataclass(frozen=True, slots=True)
class BrowserSessions:
    """Exchanges handles; `idle_lifetime` is in seconds."""

    grants: Grants
    accounts: Accounts
    sessions: SessionStore
    issuer: Issuer
    endings: SessionEndings
    idle_lifetime: float
    clock: Clock

    def open(
        self, email: str, password: str, handle_hash: str, client: Client, *, replaces: str | None = None
    ) -> Exchanged:
        """A new session for this password, in place of the one that is held by the handle of the hash `replaces`.

        Raises BadCredentials, HashingBusy, or HandleTaken; then no session ends.
        """
        opened = self.grants.open_session(
            email, password, client, self.issuer.access, handle_hash=handle_hash, replaces=replaces
        )
        return Exchanged(opened.signed, opened.session.state.expires_at, opened.user)

    def exchange(self, handle_hash: str) -> Exchanged:
        """A fresh access token of the handle's session, which counts as its use. Raises SessionEnded."""
        now = self.clock()
        session = self.sessions.find_by_handle(handle_hash)
        if session is None:
            raise SessionEnded
        if session.state.revoked_at is not None:
            raise SessionEnded(max(0.0, now - session.state.revoked_at))
        if not session.state.is_live(now, self.idle_lifetime):
            raise SessionEnded
        user = self.accounts.find(session.user_id)
        if user is None or not user.is_active or not self._renew(session, now):
            raise SessionEnded
        return Exchanged(self.issuer.access(user, session, now), session.state.expires_at, user)

    def end(self, handle_hash: str) -> None:
        """Ends the handle's session; nothing where there is none any more."""
        session = self.sessions.find_by_handle(handle_hash)
        ended = self.sessions.end(session.sid, self.clock()) if session else None
        if ended:
            self.endings.announce([ended], Reason.LOGOUT)

    def _renew(self, session: Session, now: float) -> bool:
        unrecorded = now - session.state.rotated_at
        is_covered = session.state.access_expires_at >= now + self.grants.policy.access_lifetime
        if is_covered and unrecorded < min(RENEW_AFTER, self.idle_lifetime / 10):
            return True
        return self.sessions.renew(session.sid, now)
