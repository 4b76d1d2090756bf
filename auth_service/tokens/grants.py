"""Owns how tokens are granted and given back: for a password, for a refresh token, and at logout.

The SQL record decides; the Redis blacklist only spares it floods of tokens that are known to be dead.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from auth_service.accounts.passwords import Passwords
from auth_service.accounts.users import NOBODY, Account, Accounts
from auth_service.audit.client import Client
from auth_service.audit.failed_logins import FailedLogins
from auth_service.audit.trail import AuditRecord, AuditTrail, Detail, Event, Reason
from auth_service.sessions.blacklist import Blacklist
from auth_service.sessions.refresh_policy import (
    Ended,
    Expired,
    RefreshPolicy,
    Replay,
    Rotate,
    decide,
    oldest_redeemable,
)
from auth_service.sessions.revocation import SessionEndings
from auth_service.sessions.store import EndedSession, Refreshed, Session, SessionStore, new_session
from auth_service.storage.models import User
from auth_service.throttling.login_throttle import Attempt, Throttle, Throttled
from auth_service.tokens.issuer import Bearer, Issuer, TokenPair
from auth_service.tokens.reader import INVALID, RefreshClaims, TokenReader
from chassis.clock import Clock
from contract.claims import AccessClaims, ExpiredToken, InvalidToken

Signed = TypeVar("Signed")


class BadCredentials(Exception):
    """No active account has this address and this password; which of them was wrong is not said."""


class SpentToken(InvalidToken):
    """The refresh token was spent, or its session has ended."""

    def __init__(self) -> None:
        super().__init__("Token is blacklisted")


@dataclass(frozen=True, slots=True, repr=False)
class OpenedSession(Generic[Signed]):
    """A new session, whose it is, and what was signed for it."""

    user: Account
    session: Session
    signed: Signed


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
    trail: AuditTrail
    failures: FailedLogins
    throttle: Throttle
    policy: RefreshPolicy
    session_lifetime: int
    clock: Clock

    def log_in(self, email: str, password: str, client: Client) -> TokenPair:
        """Tokens of a new session. Raises BadCredentials, Throttled or HashingBusy."""
        return self.open_session(email, password, client, self.issuer.pair).signed

    def open_session(
        self,
        email: str,
        password: str,
        client: Client,
        sign: Callable[[Bearer, Session, float], Signed],
        *,
        handle_hash: str | None = None,
        replaces: str | None = None,
    ) -> OpenedSession[Signed]:
        """A new session of the user with this password, with what `sign` makes for it, of the issuer's methods one.

        Only then does the session end that is held by the handle whose hash is `replaces` (ASVS 7.2.4).
        Raises BadCredentials, Throttled, HashingBusy or HandleTaken.
        """
        self.passwords.check_room()  # in a storm, nothing is asked for those who are told to come back
        with self._counted(email, client) as attempt:
            user = self.accounts.find_account(email)
            now = self.clock()
            session = new_session(user.id if user else NOBODY.id, now, self.session_lifetime, self.policy)
            with self.passwords.verifying(password, user.password_hash if user else None) as verdict:
                # Signed while the hash is waited for, and for nobody as well: the time must not tell who has an
                # account. It leaves this place with a right password or not at all.
                signed = sign(user or NOBODY, session, now)
                judged = verdict.result()
            if user is None or not judged.is_right or not user.is_active:
                self._note_failure(attempt, user, matches=judged.is_right)
                raise BadCredentials
            is_outdated = judged.is_renewable or self.passwords.is_outdated(user.password_hash)
            new_hash = self.passwords.hash(password) if is_outdated else None
            ended = self.accounts.log_in(
                user, session, client, new_hash=new_hash, handle_hash=handle_hash, replaces=replaces
            )
            if ended is None:  # the password was changed meanwhile, or the account barred
                self._note_failure(attempt, user, matches=False)
                raise BadCredentials
            self.endings.announce(ended, Reason.TOO_MANY)
            return OpenedSession(user, session, signed)

    def verify_password(self, user: User, password: str, client: Client) -> bool:
        """Whether `user`, who is logged in, knows their password, too. Raises Throttled or HashingBusy."""
        try:
            with self._counted(user.email, client):
                if not self.passwords.verify(password, user.password_hash):
                    raise BadCredentials
        except BadCredentials:
            return False
        return True

    def refresh(self, token: str) -> TokenPair:
        """The successor of `token` and a fresh access token.

        Raises InvalidToken or one of its kinds, NoActiveAccount, or RaceNotWon; a replay ends the session.
        """
        claims = self._read_unless_ended(token)
        now = self.clock()
        # Where a grace is bound to be running, the short way would only be tried in vain.
        is_quiet = now - claims.issued_at >= self.policy.grace
        rotated = is_quiet and self.sessions.rotate_undisputed(claims.session, claims.subject, claims.generation, now)
        if rotated:
            self._note(rotated, now)
            return self.issuer.pair(rotated, rotated.session, now)
        refreshed = self.sessions.refresh(claims.session, claims.subject, claims.generation, now)
        if refreshed is None:
            raise InvalidToken(INVALID)
        self._refuse(refreshed, claims, now)
        self._note(refreshed, now)
        return self.issuer.pair(refreshed, refreshed.session, now)

    def revoke(self, token: str) -> None:
        """Ends the session of a refresh token. Raises InvalidToken or one of its kinds, also the second time."""
        claims = self._read_unless_ended(token)
        was_spent = self.is_spent(claims)
        reason = Reason.REPLAY if was_spent else Reason.LOGOUT
        ended = self.sessions.end(claims.session, self.clock(), reason=reason)
        if ended is None:
            raise SpentToken
        self.endings.announce([ended], reason)
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

    def has_ended(self, claims: AccessClaims) -> bool:
        """Whether the session of an access token has ended, or its user was barred: then the token is refused."""
        session = self.sessions.find(claims.session)
        if session is None or session.state.revoked_at is not None:
            return True
        user = self.accounts.find(session.user_id)
        return user is None or not user.is_active

    def _read_unless_ended(self, token: str) -> RefreshClaims:
        claims = self.reader.read_refresh(token)
        if self.blacklist.has_ended(claims.session):
            raise SpentToken
        return claims

    @contextmanager
    def _counted(self, email: str, client: Client) -> Iterator[Attempt]:
        """Within it a password is judged. Raises Throttled."""
        attempt = self.throttle.attempt(email, client.address)
        try:
            counted = self.throttle.admit_login(attempt)
        except Throttled:
            # A line, no row: whoever is held back would fill the table.
            self.trail.tell(
                AuditRecord(Event.LOGIN_THROTTLED, self.clock(), None, None, {"account": attempt.account})
            )
            raise
        try:
            yield attempt
        except BadCredentials:
            raise
        except Exception:
            self.throttle.take_back(counted)
            raise
        self.throttle.note_success(attempt)

    def _note_failure(self, attempt: Attempt, user: Account | None, *, matches: bool) -> None:
        if user is None:
            # People type passwords into this field: of a name that nobody has only a keyed hash is kept.
            detail = {"account": attempt.account}
        else:
            detail = {"reason": "account is barred" if matches else "wrong password"}
        self.failures.record(AuditRecord(Event.LOGIN_FAILED, self.clock(), user.id if user else None, None, detail))

    def _refuse(self, refreshed: Refreshed, claims: RefreshClaims, now: float) -> None:
        match refreshed.decision:
            case Expired():
                raise ExpiredToken
            case Ended():
                raise SpentToken
            case Replay():
                session = refreshed.session
                state = session.state
                ended = EndedSession(session.sid, session.user_id, now, state.expires_at, state.access_expires_at)
                self.endings.announce([ended], Reason.REPLAY)
                raise SpentToken

    def _note(self, refreshed: Refreshed, now: float) -> None:
        state, sid = refreshed.session.state, refreshed.session.sid
        detail: Detail = {"decision": type(refreshed.decision).__name__.lower(), "generation": state.generation}
        self.trail.tell(AuditRecord(Event.REFRESH, now, refreshed.session.user_id, sid, detail))
        if isinstance(refreshed.decision, Rotate):
            left = state.tokens_expire_at(self.policy.idle_lifetime) - now
            self.blacklist.note_spent(sid, oldest_redeemable(state, self.policy, now), seconds=left)
