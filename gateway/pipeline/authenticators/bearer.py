"""Authenticator for `Authorization: Bearer`. The client refreshes its access token itself."""

from gateway.http.request import Request
from gateway.pipeline.authenticators.session_cookie import SessionCookieAuthenticator
from gateway.pipeline.credentials import Credentials, bearer_token, is_bearer
from gateway.suspendable import Suspendable
from gateway.tokens.principal import Principal
from gateway.tokens.verifier import TokenVerifier


class BearerAuthenticator:
    """Verifies the access token."""

    kind = "bearer"

    def __init__(self, token_verifier: TokenVerifier, session_cookie: SessionCookieAuthenticator) -> None:
        self._token_verifier = token_verifier
        self._session_cookie = session_cookie

    def applies(self, request: Request, credentials: Credentials) -> bool:
        """Return whether the scheme is Bearer."""
        known = request.known_fields
        return (known is not None and bool(known.token)) or is_bearer(credentials.authorization)

    def authenticate(self, request: Request, credentials: Credentials) -> Suspendable[Principal]:
        """Return the principal of the token. Raises Refused: 401, 503."""
        known = request.known_fields
        if known is not None and known.token:
            verification = self._token_verifier.verify(known.token, known.token_digest)
        else:
            verification = self._token_verifier.verify(bearer_token(credentials.authorization))
        if credentials.session_cookies:
            return self._with_ignored_cookie(verification, credentials)
        return verification

    def _with_ignored_cookie(
        self, verification: Suspendable[Principal], credentials: Credentials
    ) -> Suspendable[Principal]:
        principal = yield from verification
        return principal._replace(response_headers=self._session_cookie.clearing_headers(credentials))
