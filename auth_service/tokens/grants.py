"""Token grants: issue tokens for a password or a refresh token, and revoke them.

SQL is the source of truth. The Redis blacklist refuses tokens of ended sessions without an SQL query.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from auth_service.accounts.foreign_hashes.decoys import Decoys
from auth_service.accounts.passwords.breached import BreachedPasswords
from auth_service.accounts.passwords.hashing import HashingBusy, Passwords
from auth_service.accounts.store import UserStore
from auth_service.accounts.user import DUMMY_USER, User
from auth_service.audit.store import AuditStore
from auth_service.events.account_events import (
    BreachedPasswordUsed,
    EndReason,
    LoginFailed,
    LoginThrottled,
    TokensRefreshed,
)
from auth_service.events.client import Client
from auth_service.events.dispatcher import Dispatch
from auth_service.sessions.blacklist import Blacklist
from auth_service.sessions.refresh import refresh_session
from auth_service.sessions.refresh_policy import (
    Ended,
    Expired,
    RefreshPolicy,
    ReissuePresented,
    ReissueSuccessor,
    Replay,
    Rotate,
    RotateNewer,
    decide,
    lowest_valid_generation,
)
from auth_service.sessions.store import RefreshResult, Session, SessionStore, new_session
from auth_service.store_errors import StoreUnavailable
from auth_service.throttling.login_throttle import Attempt, LoginThrottle, Throttled
from auth_service.tokens.claims_hook import ClaimsHook
from auth_service.tokens.issuer import NO_CLAIMS, ExtraClaims, Issuer, TokenPair, TokenUser
from auth_service.tokens.reader import INVALID, RefreshClaims, TokenReader, UsedOrEndedToken
from auth_service.tokens.token_exchange import TokenExchange
from chassis.clock import Clock
from contract.claims import AccessClaims, ExpiredToken, InvalidToken

Signed = TypeVar("Signed")

_DECISION_NAMES: Mapping[type, str] = {
    Rotate: "rotate",
    RotateNewer: "rotatenewer",
    ReissueSuccessor: "reissue",
    ReissuePresented: "reissuesame",
}
"""The log field `decision` of each decision that issues tokens."""


WRONG_PASSWORD = "wrong password"  # noqa: S105 - the text of a reason
"""The reason in an audit record."""


class BadCredentials(Exception):
    """No active account has this e-mail address and password. The error does not reveal which of the two is wrong."""


@dataclass(frozen=True, slots=True, repr=False)
class OpenedSession(Generic[Signed]):
    """A new session, its user, `signed`: the tokens that were signed for it, and the new token of the device."""

    user: User
    session: Session
    signed: Signed
    device_token: str


@dataclass(frozen=True, slots=True)
class Grants:
    """Grants and revokes tokens. `session_lifetime` is in seconds, `max_sessions` per user (0: no limit)."""

    users: UserStore
    sessions: SessionStore
    audit: AuditStore
    passwords: Passwords
    decoys: Decoys
    issuer: Issuer
    reader: TokenReader
    exchange: TokenExchange
    blacklist: Blacklist
    throttle: LoginThrottle
    breached_at_login: BreachedPasswords | None
    claims_hook: ClaimsHook | None
    dispatch: Dispatch
    policy: RefreshPolicy
    session_lifetime: int
    max_sessions: int
    clock: Clock

    def log_in(self, email: str, password: str, client: Client) -> TokenPair:
        """Return the tokens of a new session. Raises BadCredentials, Throttled or HashingBusy."""
        return self.open_session(email, password, client, self.issuer.pair).signed

    def open_session(
        self,
        email: str,
        password: str,
        client: Client,
        sign: Callable[[TokenUser, Session, float, ExtraClaims], Signed],
        *,
        handle_hash: str | None = None,
        replaces: str | None = None,
        device_token: str = "",
    ) -> OpenedSession[Signed]:
        """Open a session for the user with this e-mail address and password, and sign its tokens by `sign`.

        The session with the handle hash `replaces` ends (ASVS 5.0, 7.2.4). The device presents `device_token`. Raises
        BadCredentials, Throttled, HashingBusy, ClaimsUnavailable or HandleTaken.
        """
        self.passwords.check_queue()  # before the first query, so that an overloaded service makes none
        attempt = self.throttle.attempt(email, client.address, device_token=device_token)
        with self._counting_failures(attempt, client):
            decoy = self.decoys.hash_for(email)  # for every name, so that it takes no time for unknown ones only
            user = self.users.find_by_email(email)
            now = self.clock()
            session = new_session((user or DUMMY_USER).id, now, self.session_lifetime, self.policy)
            with self.passwords.verifying(password, user.password_hash if user else decoy) as pending:
                # Signed while the hash is computed, also for unknown users: the time must not reveal which exist.
                signed, check = sign(user or DUMMY_USER, session, now, NO_CLAIMS), pending.result()
            if user is None or not check.is_right or not user.is_active:
                raise self._record_failure(attempt, user, client, is_right=check.is_right)
            if self.claims_hook:  # for the right password only, so that a stranger cannot cause calls
                extra = self.claims_hook.claims_of(user.id, user.email, user.roles, session.sid, "log_in", client)
                signed = sign(user, session, now, extra)
            is_open = self.sessions.open(
                session,
                user,
                client,
                max_sessions=self.max_sessions,
                new_password_hash=self._new_hash(password) if check.needs_rehash else None,
                handle_hash=handle_hash,
                replaces=replaces,
            )
            if not is_open:
                # The user has changed since it was read, perhaps without a new password.
                raise self._record_failure(attempt, user, client, is_right=False)
            self._record_breach(user, session, password, client)
            return OpenedSession(user, session, signed, self.throttle.renewed_device_token(attempt, device_token))

    def verify_password(self, user: User, password: str, client: Client, *, session: str) -> bool:
        """Return whether `password` is the password of the user of a session. A wrong one is recorded.

        Raises Throttled or HashingBusy.
        """
        attempt = self.throttle.attempt(user.email, client.address, session=session)
        try:
            with self._counting_failures(attempt, client):
                if not self.passwords.verify(password, user.password_hash):
                    failure = LoginFailed(self.clock(), user.id, client, reason=WRONG_PASSWORD, sid=session)
                    self.audit.record(failure)
                    raise BadCredentials
        except BadCredentials:
            return False
        return True

    def refresh(self, token: str, client: Client) -> TokenPair:
        """Return a new access token and the session's newest refresh token, usually after a rotation.

        A replay ends the session. Raises InvalidToken or a subclass, NoActiveAccount, RefreshConflict or
        ClaimsUnavailable.
        """
        claims = self._read_unless_ended(token, client)
        now = self.clock()
        extra = self._extra_claims(self.claims_hook, claims, client, now) if self.claims_hook else NO_CLAIMS
        refreshed = self.exchange.refresh(claims, now) if self.exchange.accepts(token) else self._refresh(claims, now)
        if refreshed is None:
            raise InvalidToken(INVALID)
        match refreshed.decision:
            case Expired():
                raise ExpiredToken
            case Ended() | Replay():
                raise UsedOrEndedToken
        self.dispatch((self._event_of(refreshed, client, now),))
        return self.issuer.pair(refreshed, refreshed.session, now, extra)

    def revoke(self, token: str, client: Client) -> None:
        """End the session of a refresh token. Raises InvalidToken or a subclass.

        Raises UsedOrEndedToken if the session has ended before. A used token that is no longer valid ends the session
        as a replay, and then raises UsedOrEndedToken too.
        """
        claims = self._read_unless_ended(token, client)
        was_used_or_ended = self.is_used_or_ended(claims)
        reason = EndReason.REPLAY if was_used_or_ended else EndReason.LOGOUT
        if not self.sessions.end(claims.session, self.clock(), reason) or was_used_or_ended:
            raise UsedOrEndedToken

    def is_used_or_ended(self, claims: RefreshClaims) -> bool:
        """Return whether the token is a used one that is no longer valid, or its session has ended.

        Raises InvalidToken or ExpiredToken.
        """
        if self.blacklist.is_used_or_ended(claims.session, claims.generation):
            return True
        session = self.sessions.find(claims.session)
        if session is None or session.user_id != claims.subject:
            raise InvalidToken(INVALID)
        decision = decide(session.state, claims.generation, self.clock(), self.policy, issued_at=claims.issued_at)
        if isinstance(decision, Expired):
            raise ExpiredToken
        return isinstance(decision, Replay | Ended)

    def has_ended(self, claims: AccessClaims) -> bool:
        """Return whether an access token is revoked: its session has ended, or its user is deactivated or deleted."""
        session = self.sessions.find(claims.session)
        if session is None or session.state.revoked_at is not None:
            return True
        user = self.users.find(session.user_id)
        return user is None or not user.is_active

    def _read_unless_ended(self, token: str, client: Client) -> RefreshClaims:
        if self.exchange.accepts(token):
            return self.exchange.open_refresh(token, client)
        claims = self.reader.read_refresh(token)
        if self.blacklist.has_ended(claims.session):
            raise UsedOrEndedToken
        return claims

    def _extra_claims(self, hook: ClaimsHook, claims: RefreshClaims, client: Client, now: float) -> ExtraClaims:
        """Return the claims of the hook, which is called before the rotation: a failure must not use the token up."""
        found = self.sessions.find_with_user(claims.session, claims.subject)
        session = found.session if found and found.user.is_active else None
        if found is None or session is None:
            return NO_CLAIMS  # the refresh is refused
        if isinstance(decide(session.state, claims.generation, now, self.policy), Ended | Expired | Replay):
            return NO_CLAIMS
        return hook.claims_of(claims.subject, found.user.email, found.user.roles, session.sid, "refresh", client)

    def _refresh(self, claims: RefreshClaims, now: float) -> RefreshResult | None:
        sid, user_id, presented = claims.session, claims.subject, claims.generation
        # A token issued less than `grace` seconds ago usually comes from a rotation in grace. Then `try_rotate` would
        # return None, so its statement is saved.
        if now - claims.issued_at >= self.policy.grace:
            rotated = self.sessions.try_rotate(sid, user_id, presented, now)
            if rotated:
                return rotated
        return refresh_session(self.sessions, self.policy, sid, user_id, presented, now, issued_at=claims.issued_at)

    def _event_of(self, refreshed: RefreshResult, client: Client, now: float) -> TokensRefreshed:
        session, decision = refreshed.session, refreshed.decision
        is_rotation = isinstance(decision, Rotate | RotateNewer)
        return TokensRefreshed(
            now,
            session.user_id,
            client,
            session.sid,
            _DECISION_NAMES[type(decision)],
            session.state.generation,
            lowest_valid_generation(session.state, self.policy, now) if is_rotation else None,
            session.state.tokens_expire_at(self.policy.idle_lifetime),
        )

    @contextmanager
    def _counting_failures(self, attempt: Attempt, client: Client) -> Iterator[None]:
        """Count the block as a failed log-in if it raises BadCredentials, and as a success if it raises nothing.

        Another exception counts as neither. Raises Throttled, without running the block, after too many failures.
        """
        try:
            counted_by = self.throttle.admit_login(attempt)
        except Throttled:
            self.dispatch((LoginThrottled(self.clock(), None, client, attempt.account),))
            raise
        try:
            yield
        except BadCredentials:
            raise
        except Exception:
            self.throttle.cancel(counted_by)
            raise
        self.throttle.record_success(attempt)

    def _new_hash(self, password: str) -> str | None:
        """Return a hash in the current format. If the queue is busy, return None, so that the log-in goes on."""
        try:
            return self.passwords.hash(password)
        except HashingBusy:
            return None

    def _record_breach(self, user: User, session: Session, password: str, client: Client) -> None:
        """Record that the right password of a log-in is breached, if the service is set to check that."""
        if not self.breached_at_login or not self.breached_at_login.contains(password):
            return
        with suppress(StoreUnavailable):  # the session is open, so the log-in succeeds
            self.audit.record(BreachedPasswordUsed(session.state.rotated_at, user.id, client, session.sid))

    def _record_failure(
        self, attempt: Attempt, user: User | None, client: Client, *, is_right: bool
    ) -> BadCredentials:
        """Record a failed log-in and return the error to raise."""
        now = self.clock()
        if user is None:
            # Users may type their password into the e-mail field, so an unknown name is kept only as a keyed hash.
            failure = LoginFailed(now, None, client, account_hash=attempt.account)
        else:
            # Stored in the audit trail, so the texts stay as they are.
            reason = f"account is {user.status}" if is_right else WRONG_PASSWORD
            failure = LoginFailed(now, user.id, client, reason=reason)
        self.audit.record(failure)
        return BadCredentials()
