"""Authenticator for `Authorization: Bearer` with `X-Refresh-Token`: the gateway refreshes an expired access token."""

from chassis.clock import Clock
from contract.problems import Refused
from gateway.http.request import Request
from gateway.pipeline.authenticators.session_cookie import SessionCookieAuthenticator
from gateway.pipeline.credentials import Credentials, bearer_token, is_bearer
from gateway.suspendable import Suspendable, wait_for
from gateway.tokens.principal import Principal
from gateway.tokens.refresh import TokenRefresher
from gateway.tokens.verifier import TokenVerifier


class BearerWithRefreshAuthenticator:
    """Verifies the access token. If it has expired, exchanges the refresh token for a new access token."""

    kind = "bearer_with_refresh"

    def __init__(
        self,
        token_verifier: TokenVerifier,
        refresher: TokenRefresher,
        session_cookie: SessionCookieAuthenticator,
        clock: Clock,
    ) -> None:
        self._token_verifier = token_verifier
        self._refresher = refresher
        self._session_cookie = session_cookie
        self._clock = clock

    def applies(self, request: Request, credentials: Credentials) -> bool:
        """Return whether the scheme is Bearer and there is a refresh token."""
        if not credentials.refresh_token:
            return False
        known = request.known_fields
        return (known is not None and bool(known.token)) or is_bearer(credentials.authorization)

    def authenticate(self, request: Request, credentials: Credentials) -> Suspendable[Principal]:
        """Return the principal of the access token, or of the new one. Raises Refused: 401, 503."""
        known = request.known_fields
        principal: Principal | None
        try:
            if known is not None and known.token:
                principal = yield from self._token_verifier.verify(known.token, known.token_digest)
            else:
                principal = yield from self._token_verifier.verify(bearer_token(credentials.authorization))
        except Refused as refused:
            if refused.code != "token_expired":
                raise
            principal = None
        # The verifier's leeway is not used here: this client can refresh, and the auth service, which has no leeway,
        # would refuse the token.
        if principal is None or principal.claims.is_expired(self._clock()):
            fresh = yield from wait_for(self._refresher.refresh(credentials.refresh_token or ""))
            principal = (yield from self._token_verifier.verify_fetched(fresh.access))._replace(fresh=fresh)
        clearing = self._session_cookie.clearing_headers(credentials) if credentials.session_cookies else ()
        return principal._replace(response_headers=clearing) if clearing else principal
