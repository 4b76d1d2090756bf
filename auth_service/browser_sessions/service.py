"""Browser sessions: open one with a password, exchange its handle for access tokens, end it.

The browser has an opaque handle and the gateway the access token. The session's row has the hash of the handle. There
is no refresh token and no rotation; the session expires after the same idle time as a refresh token.
"""

from dataclasses import dataclass

from auth_service.accounts.store import UserStore
from auth_service.accounts.user import User
from auth_service.events.account_events import EndReason
from auth_service.events.client import UNKNOWN_CLIENT, Client
from auth_service.sessions.store import Session, SessionStore
from auth_service.tokens.grants import Grants
from auth_service.tokens.issuer import NO_CLAIMS, Issuer
from chassis.clock import Clock

RENEW_AFTER = 60.0
"""Seconds after which an exchange renews the session's row, so that most exchanges write nothing."""


class NoLiveSession(Exception):
    """The handle has no live session.

    `ended_seconds_ago` is set if the session was ended before it expired, for example by a log-out. It is None if the
    session expired, never existed or was deleted from the database, or if it ended during the exchange.
    """

    def __init__(self, ended_seconds_ago: float | None = None) -> None:
        super().__init__("the session has ended")
        self.ended_seconds_ago = ended_seconds_ago


@dataclass(frozen=True, slots=True, repr=False)
class BrowserGrant:
    """The result of a log-in or an exchange. `expires_at` is the session's absolute end (epoch seconds)."""

    access: str
    expires_at: float
    user: User


@dataclass(frozen=True, slots=True, repr=False)
class OpenedBrowserSession:
    """The result of a log-in: the grant, and the new token of the device."""

    grant: BrowserGrant
    device_token: str


@dataclass(frozen=True, slots=True)
class BrowserSessions:
    """Opens, exchanges and ends browser sessions; `idle_lifetime` is in seconds."""

    grants: Grants
    users: UserStore
    sessions: SessionStore
    issuer: Issuer
    idle_lifetime: float
    clock: Clock

    def open(
        self,
        email: str,
        password: str,
        handle_hash: str,
        client: Client,
        *,
        replaces: str | None = None,
        device_token: str = "",
    ) -> OpenedBrowserSession:
        """Open a session for the user with this password and end the one with the handle hash `replaces`.

        `device_token` is what the device presents, valid or not.

        Raises BadCredentials, Throttled, HashingBusy, ClaimsUnavailable or HandleTaken; then no session is opened or
        ended.
        """
        opened = self.grants.open_session(
            email,
            password,
            client,
            self.issuer.access,
            handle_hash=handle_hash,
            replaces=replaces,
            device_token=device_token,
        )
        grant = BrowserGrant(opened.signed, opened.session.state.expires_at, opened.user)
        return OpenedBrowserSession(grant, opened.device_token)

    def exchange(self, handle_hash: str) -> BrowserGrant:
        """Return a new access token for the handle's session. Raises NoLiveSession or ClaimsUnavailable.

        The use is recorded, which restarts the idle time, unless another one was recorded shortly before (_renew).
        """
        now = self.clock()
        session = self.sessions.find_by_handle(handle_hash)
        if session is None:
            raise NoLiveSession
        if session.state.revoked_at is not None:
            raise NoLiveSession(max(0.0, now - session.state.revoked_at))
        if not session.state.is_live(now, self.idle_lifetime):
            raise NoLiveSession
        user = self.users.find(session.user_id)
        if user is None or not user.is_active or not self._renew(session, now):
            raise NoLiveSession
        extra, hook = NO_CLAIMS, self.grants.claims_hook
        if hook:
            extra = hook.claims_of(user.id, user.email, user.roles, session.sid, "refresh", UNKNOWN_CLIENT)
        return BrowserGrant(self.issuer.access(user, session, now, extra), session.state.expires_at, user)

    def end(self, handle_hash: str) -> None:
        """End the session of the handle, if there is one."""
        session = self.sessions.find_by_handle(handle_hash)
        if session is not None:
            self.sessions.end(session.sid, self.clock(), EndReason.LOGOUT)

    def _renew(self, session: Session, now: float) -> bool:
        """Restart the idle time of a session unless that was done recently. Return False if the session has ended."""
        unrecorded_seconds = now - session.state.rotated_at  # since the last recorded use
        # Whether the row already covers the expiry of the access token that is issued now.
        has_access_expiry = session.state.access_expires_at >= now + self.grants.policy.access_lifetime
        # At most a tenth of the idle time may be unrecorded, so that a session in use does not expire early.
        if has_access_expiry and unrecorded_seconds < min(RENEW_AFTER, self.idle_lifetime / 10):
            return True
        return self.sessions.renew(session.sid, now)
