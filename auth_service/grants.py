"""Owns how tokens are granted and given back: for a password, for a refresh token, and at logout.

The SQL record decides; the Redis blacklist only spares it floods of tokens that are known to be dead.
"""

from dataclasses import dataclass

import structlog

from auth_service.accounts import Accounts
from auth_service.blacklist import Blacklist
from auth_service.issuer import Issuer, TokenPair
from auth_service.models import User
from auth_service.passwords import Passwords
from auth_service.session_endings import Reason, SessionEndings
from auth_service.session_store import Client, EndedSession, Refreshed, SessionStore
from auth_service.sessions import Ended, Expired, RefreshPolicy, Replay, Rotate, decide, oldest_redeemable
from auth_service.tokens import INVALID, RefreshClaims, TokenReader
from chassis.clock import Clock
from contract.claims import ExpiredToken, InvalidToken

_log = structlog.get_logger("grants")


class BadCredentials(Exception):
    """No active account has this address and this password; which of them was wrong is not said."""


class NoActiveAccount(Exception):
    """The token is good, and its user barred or deleted."""

    def __init__(self, *, is_deleted: bool) -> None:
        super().__init__()
        self.is_deleted = is_deleted


class SpentToken(InvalidToken):
    """The refresh token was spent, or its session has ended."""

    def __init__(self) -> None:
        super().__init__("Token is blacklisted")


@dataclass(frozen=True, slots=True)
class Grants:
    """Grants and takes back. Durations in seconds."""

    accounts: Accounts
    sessions: SessionStore
    passwords: Passwords
    issuer: Issuer
    reader: TokenReader
    blacklist: Blacklist
    endings: SessionEndings
    policy: RefreshPolicy
    session_lifetime: int
    clock: Clock

    def for_password(self, email: str, password: str, client: Client) -> TokenPair:
        """Tokens of a new session. Raises BadCredentials, or HashingBusy."""
        user = self.accounts.find_by_email(email)
        matches = self.passwords.verify(password, user.password_hash if user else None)
        if user is None or not matches or not user.is_active:
            _log.info("login failed", address=client.address)
            raise BadCredentials
        now = self.clock()
        session = self.accounts.log_in(
            user, client, now=now, lifetime=self.session_lifetime, new_hash=self._renewed_hash(user, password)
        )
        if session is None:
            raise BadCredentials
        _log.info("login ok", sid=session.sid, subject=str(user.id))
        return self.issuer.pair(user, session, now)

    def for_refresh_token(self, token: str) -> TokenPair:
        """The successor of `token` and a fresh access token.

        Raises InvalidToken or one of its kinds, NoActiveAccount, or RaceNotWon; a replay ends the session.
        """
        claims = self._read_unless_ended(token)
        user = self._active_user(claims)
        now = self.clock()
        refreshed = self.sessions.refresh(claims.session, claims.subject, claims.generation, now)
        if refreshed is None:
            raise InvalidToken(INVALID)
        self._refuse(refreshed, claims, now)
        self._note(refreshed, now)
        return self.issuer.pair(user, refreshed.session, now)

    def give_back(self, token: str) -> None:
        """Ends the session of a refresh token. Raises InvalidToken or one of its kinds, also the second time."""
        claims = self._read_unless_ended(token)
        was_spent = self.is_spent(claims)
        ended = self.sessions.end(claims.session, self.clock())
        if ended is None:
            raise SpentToken
        self.endings.announce([ended], Reason.REPLAY if was_spent else Reason.LOGOUT)
        if was_spent:
            raise SpentToken

    def is_spent(self, claims: RefreshClaims) -> bool:
        """Whether a refresh token would be refused as spent; changes nothing. Raises InvalidToken, ExpiredToken."""
        if self.blacklist.is_spent(claims.session, claims.generation):
            return True
        session = self.sessions.find(claims.session)
        if session is None or session.user_id != claims.subject:
            raise InvalidToken(INVALID)
        decision = decide(session.state, claims.generation, self.clock(), self.policy)
        if isinstance(decision, Expired):
            raise ExpiredToken
        return isinstance(decision, Replay | Ended)

    def _read_unless_ended(self, token: str) -> RefreshClaims:
        claims = self.reader.read_refresh(token)
        if self.blacklist.has_ended(claims.session):
            raise SpentToken
        return claims

    def _renewed_hash(self, user: User, password: str) -> str | None:
        return self.passwords.hash(password) if self.passwords.is_outdated(user.password_hash) else None

    def _active_user(self, claims: RefreshClaims) -> User:
        user = self.accounts.find(claims.subject)
        if user is None or not user.is_active:
            raise NoActiveAccount(is_deleted=user is None)
        return user

    def _refuse(self, refreshed: Refreshed, claims: RefreshClaims, now: float) -> None:
        match refreshed.decision:
            case Expired():
                raise ExpiredToken
            case Ended():
                raise SpentToken
            case Replay():
                session = refreshed.session
                _log.warning(
                    "replay detected",
                    sid=session.sid,
                    subject=str(session.user_id),
                    presented=claims.generation,
                    generation=session.state.generation,
                )
                ended = EndedSession(session.sid, session.user_id, now, session.state.expires_at)
                self.endings.announce([ended], Reason.REPLAY)
                raise SpentToken

    def _note(self, refreshed: Refreshed, now: float) -> None:
        state, sid = refreshed.session.state, refreshed.session.sid
        decision = type(refreshed.decision).__name__.lower()
        _log.info("refresh", sid=sid, decision=decision, generation=state.generation)
        if isinstance(refreshed.decision, Rotate):
            left = state.tokens_expire_at(self.policy.idle_lifetime) - now
            self.blacklist.note_spent(sid, oldest_redeemable(state, self.policy, now), seconds=left)
