"""Exchange the tokens of a Django project for sessions of this service.

Each token of the project is exchanged for the session whose id is derived from its `jti`. A refresh token then counts
as a refresh token of generation 0 of that session. Until the client uses a token of ours, it may be presented again:
clients of projects without rotation never store the new one. After that, it is a used token, like any other.
"""

from dataclasses import dataclass, replace

from auth_service.events.client import Client
from auth_service.sessions.foreign_tokens import ForeignToken, ForeignTokenStore
from auth_service.sessions.refresh import NoActiveAccount, RefreshConflict, refresh_session
from auth_service.sessions.refresh_policy import (
    ACCESS_EXPIRY_PADDING,
    Ended,
    Expired,
    RefreshPolicy,
    ReissuePresented,
    Replay,
    decide,
    padded_access_expiry,
)
from auth_service.sessions.store import RefreshResult, Session, SessionStore, SessionWithUser, new_session
from auth_service.tokens.claims_hook import ClaimsHook
from auth_service.tokens.issuer import NO_CLAIMS, Issuer
from auth_service.tokens.reader import WRONG_TYPE, RefreshClaims, UsedOrEndedToken
from auth_service.tokens.simplejwt import SimpleJwtReader
from chassis.clock import Clock
from contract.claims import ACCESS, LONGEST_ACCESS_LIFETIME, REFRESH, AccessClaims, InvalidToken

_MAX_ATTEMPTS = 32
"""Attempts before RefreshConflict. An attempt fails if another request changes the session meanwhile."""


@dataclass(frozen=True, slots=True)
class TokenExchange:
    """Exchanges tokens of a Django project. `session_lifetime` is in seconds."""

    reader: SimpleJwtReader
    tokens: ForeignTokenStore
    sessions: SessionStore
    issuer: Issuer
    claims_hook: ClaimsHook | None
    policy: RefreshPolicy
    session_lifetime: float
    clock: Clock

    def accepts(self, token: str) -> bool:
        """Return whether `token` looks like one of the project."""
        return self.reader.accepts(token)

    def open_refresh(self, token: str, client: Client) -> RefreshClaims:
        """Open the session of a refresh token if it is new, and return the token's claims in that session.

        Raises InvalidToken or a subclass, or NoActiveAccount.
        """
        foreign = self._read(token, REFRESH)
        user_id = self._open(foreign, client, self.clock() + self.session_lifetime, is_recorded=True).user.id
        return RefreshClaims(user_id, foreign.sid, 0, int(foreign.issued_at))

    def refresh(self, claims: RefreshClaims, now: float) -> RefreshResult | None:
        """Return the session of a refresh token for which new tokens are issued; None if there is no such session.

        The tokens have the generation 0 until the client has used one of them. Raises NoActiveAccount or
        RefreshConflict.
        """
        for _ in range(_MAX_ATTEMPTS):
            found = self._find(claims)
            session = found.session
            if session is None:
                return None
            if session.state.generation > 0:
                return refresh_session(self.sessions, self.policy, session.sid, claims.subject, 0, now)
            decision = decide(session.state, 0, now, self.policy)
            if isinstance(decision, Ended | Expired):
                return RefreshResult(decision, session, found.user.email, found.user.roles)
            renewed = replace(session.state, rotated_at=now, access_expires_at=padded_access_expiry(now, self.policy))
            changed = replace(session, state=renewed)
            if self.sessions.replace(session, changed, now):
                return RefreshResult(ReissuePresented(), changed, found.user.email, found.user.roles)
        raise RefreshConflict

    def access_claims(self, token: str, client: Client) -> AccessClaims:
        """Return the claims of an access token, in a session that ends when it expires.

        Raises InvalidToken or a subclass, or NoActiveAccount.
        """
        foreign, _, found = self._open_access(token, client)
        user = found.user
        return AccessClaims(
            subject=str(user.id),
            session=foreign.sid,
            generation=0,
            jti=foreign.jti,
            email=user.email,
            roles=tuple(user.roles.split()),
            issued_at=int(foreign.issued_at),
            expires_at=int(foreign.expires_at),
        )

    def access_token(self, token: str, client: Client) -> str:
        """Return an access token of ours for one of the project, with the same expiry.

        Raises InvalidToken or a subclass, NoActiveAccount or ClaimsUnavailable.
        """
        _, session, found = self._open_access(token, client)
        user, extra = found.user, NO_CLAIMS
        if self.claims_hook:
            extra = self.claims_hook.claims_of(user.id, user.email, user.roles, session.sid, "token_exchange", client)
        return self.issuer.access_until_end(user, session, self.clock(), extra)

    def is_used_or_ended(self, token: ForeignToken) -> bool:
        """Return whether a token of either kind is refused, without opening a session."""
        session = self.sessions.find(token.sid)
        if session is None:
            return self.tokens.is_refused(token)
        if token.token_type == ACCESS:
            return session.state.revoked_at is not None
        return isinstance(decide(session.state, 0, self.clock(), self.policy), Replay | Ended | Expired)

    def _open_access(self, token: str, client: Client) -> tuple[ForeignToken, Session, SessionWithUser]:
        foreign = self._read(token, ACCESS)
        found = self._open(foreign, client, foreign.expires_at, is_recorded=False)
        if found.session is None or found.session.state.revoked_at is not None:
            raise UsedOrEndedToken
        return foreign, found.session, found

    def _read(self, token: str, token_type: str) -> ForeignToken:
        foreign = self.reader.read(token)
        if foreign.token_type != token_type:
            raise InvalidToken(WRONG_TYPE)
        if token_type == ACCESS:
            return replace(foreign, expires_at=min(foreign.expires_at, self.clock() + LONGEST_ACCESS_LIFETIME))
        return foreign

    def _open(self, token: ForeignToken, client: Client, expires_at: float, *, is_recorded: bool) -> SessionWithUser:
        """Return the session of a token, which is stored if it is new, and its user."""
        user_id = self.tokens.find_user(token)
        if user_id is None:
            raise NoActiveAccount(is_deleted=True)
        claims = RefreshClaims(user_id, token.sid, 0, int(token.issued_at))
        found = self._find(claims)
        if found.session is not None:
            return found
        now = self.clock()
        session = new_session(user_id, now, expires_at - now, self.policy)
        state = session.state
        if token.token_type == ACCESS:
            state = replace(state, access_expires_at=expires_at + ACCESS_EXPIRY_PADDING)
        self.tokens.open(token, Session(token.sid, user_id, state), client, is_recorded=is_recorded)
        found = self._find(claims)
        if found.session is None:
            raise UsedOrEndedToken
        return found

    def _find(self, claims: RefreshClaims) -> SessionWithUser:
        found = self.sessions.find_with_user(claims.session, claims.subject)
        if found is None or not found.user.is_active:
            raise NoActiveAccount(is_deleted=found is None)
        return found
