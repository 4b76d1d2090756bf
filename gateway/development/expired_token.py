"""The fault `expired-token`: the access token of a request counts as expired.

Each way to authenticate does what it does at a token that has really expired. A Bearer token gets 401; with
X-Refresh-Token, the gateway refreshes it; for a session cookie, the gateway fetches another one.
"""

import json
import math
from contextlib import suppress
from functools import partial

from chassis.clock import Clock
from contract.anonymous_endpoints import is_anonymous
from contract.page_session import is_page
from contract.problems import Refused
from gateway.browser_sessions.sessions import BrowserSessions
from gateway.browser_sessions.tickets import Tickets
from gateway.development.faults import has_fault
from gateway.http.request import Request
from gateway.pipeline.authenticators.authenticator import Authenticator
from gateway.pipeline.authenticators.bearer import BearerAuthenticator
from gateway.pipeline.authenticators.bearer_with_refresh import BearerWithRefreshAuthenticator
from gateway.pipeline.authenticators.registry import authenticators
from gateway.pipeline.authenticators.session_cookie import SessionCookieAuthenticator
from gateway.pipeline.credentials import Credentials, InvalidHandle, is_bearer, session_handle
from gateway.pipeline.forwarded_credentials import CredentialForwarding, ForwardedCredentials
from gateway.pipeline.login_redirect import BrowserRefusal
from gateway.routing.routes import Route
from gateway.suspendable import Suspendable
from gateway.tokens.principal import Principal
from gateway.tokens.refresh import TokenRefresher
from gateway.tokens.verifier import TokenVerifier

_AUTH_SERVICE_BODY = {
    "detail": "Given token not valid for any token type",
    "code": "token_not_valid",
    "messages": [{"token_class": "AccessToken", "token_type": "access", "message": "Token is expired"}],
}
"""The auth service's body for an expired access token, which is that of djoser."""


class ExpiredBearer:
    """Verifies an access token, and refuses it as expired if it is valid."""

    def __init__(self, bearer: Authenticator) -> None:
        self._bearer = bearer
        self.kind = bearer.kind

    def applies(self, request: Request, credentials: Credentials) -> bool:
        """Return whether the scheme is Bearer."""
        return self._bearer.applies(request, credentials)

    def authenticate(self, request: Request, credentials: Credentials) -> Suspendable[Principal]:
        """Raise Refused: 401, 503."""
        yield from self._bearer.authenticate(request, credentials)
        raise Refused("token_expired")


class ExpiredSession:
    """Authenticates a session cookie for which the gateway has to fetch another token."""

    def __init__(self, session_cookie: Authenticator, sessions: BrowserSessions) -> None:
        self._session_cookie = session_cookie
        self._sessions = sessions
        self.kind = session_cookie.kind

    def applies(self, request: Request, credentials: Credentials) -> bool:
        """Return whether there is a session cookie."""
        return self._session_cookie.applies(request, credentials)

    def authenticate(self, request: Request, credentials: Credentials) -> Suspendable[Principal]:
        """Return the principal of the session. Raises Refused: 400, 401, 403, 502, 503."""
        with suppress(InvalidHandle, Refused):  # the authenticator refuses such a cookie
            self._sessions.expire_access_token(session_handle(credentials.session_cookies) or "")
        return self._session_cookie.authenticate(request, credentials)


class ExpiringAuthenticator:
    """Authenticates requests by `expired` if they have the fault, and all others by `usual`."""

    def __init__(self, usual: Authenticator, expired: Authenticator) -> None:
        self._usual = usual
        self.kind = usual.kind
        self._expired = expired

    def applies(self, request: Request, credentials: Credentials) -> bool:
        """Return whether the usual authenticator applies."""
        return self._usual.applies(request, credentials)

    def authenticate(self, request: Request, credentials: Credentials) -> Suspendable[Principal]:
        """Return the principal of `request`. Raises Refused."""
        chosen = self._expired if has_fault(request, "expired-token") else self._usual
        return chosen.authenticate(request, credentials)


def expiring_authenticators(
    token_verifier: TokenVerifier,
    refresher: TokenRefresher,
    session_cookie: SessionCookieAuthenticator,
    tickets: Tickets,
    clock: Clock,
    *,
    sessions: BrowserSessions,
) -> tuple[Authenticator, ...]:
    """Return the authenticators of the registry, with the fault."""
    usual = authenticators(token_verifier, refresher, session_cookie, tickets, clock)
    at_the_end_of_time = authenticators(token_verifier, refresher, session_cookie, tickets, lambda: math.inf)

    def expiring(authenticator: Authenticator, later: Authenticator) -> Authenticator:
        if isinstance(authenticator, BearerWithRefreshAuthenticator):
            return ExpiringAuthenticator(authenticator, later)
        if isinstance(authenticator, BearerAuthenticator):
            return ExpiringAuthenticator(authenticator, ExpiredBearer(authenticator))
        if isinstance(authenticator, SessionCookieAuthenticator):
            return ExpiringAuthenticator(authenticator, ExpiredSession(authenticator, sessions))
        return authenticator

    return tuple(map(expiring, usual, at_the_end_of_time))


class ExpiringCredentialForwarding(CredentialForwarding):
    """Credential forwarding with the fault, for endpoints of the auth service, which verifies tokens itself."""

    def choose(self, request: Request, credentials: Credentials, route: Route) -> Suspendable[ForwardedCredentials]:
        """Return the credentials to forward. Raises Refused: 400, 401, 403, 502, 503."""
        if has_fault(request, "expired-token"):
            path = route.forwarded_path(request.path).decode("latin-1")
            is_checked = not is_page(path) and not is_anonymous(request.method, path)
            if is_checked and not credentials.refresh_token and _has_bearer(request, credentials):
                raise _refusal_of_auth_service()
        return super().choose(request, credentials, route)


def _has_bearer(request: Request, credentials: Credentials) -> bool:
    """Return whether the request has a Bearer token."""
    known = request.known_fields
    return (known is not None and bool(known.token)) or is_bearer(credentials.authorization)


_refusal_of_auth_service = partial(
    BrowserRefusal,
    "token_expired",
    headers={"Content-Type": "application/json"},
    http_status=401,
    page=json.dumps(_AUTH_SERVICE_BODY, separators=(",", ":")).encode(),
)
