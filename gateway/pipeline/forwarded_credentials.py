"""Credentials for the auth service: those of the client, or a token that the gateway fetched for the client.

The auth service authenticates its clients itself. It is the only upstream that gets credentials.
"""

from typing import NamedTuple

from contract.anonymous_endpoints import is_anonymous
from contract.fetched_token import fetched_token_mac
from contract.problems import Refused
from gateway.http.header_fields import HeaderTuple
from gateway.http.request import Request
from gateway.pipeline.authenticate import AuthenticateStage
from gateway.pipeline.authenticators.session_cookie import SessionCookieAuthenticator
from gateway.pipeline.credentials import Credentials, is_bearer
from gateway.pipeline.request_head import credential_lines
from gateway.routing.routes import Route
from gateway.suspendable import Suspendable
from gateway.tokens.principal import Principal


class ForwardedCredentials(NamedTuple):
    """Credential lines for the head to the auth service, and header fields for the response.

    `principal` is the client if the gateway authenticated it; otherwise the client's own credentials are forwarded.
    """

    lines: bytes
    principal: Principal | None = None
    response_headers: HeaderTuple = ()


class CredentialForwarding:
    """Chooses the credentials with which a request is forwarded to the auth service."""

    def __init__(
        self, authentication: AuthenticateStage, session_cookie: SessionCookieAuthenticator, peer_secret: str
    ) -> None:
        self._authentication = authentication
        self._session_cookie = session_cookie
        self._peer_secret = peer_secret

    def choose(self, request: Request, credentials: Credentials, route: Route) -> Suspendable[ForwardedCredentials]:
        """Return the credentials to forward. Raises Refused: 400, 403, 502, 503.

        The session cookie is never forwarded. Invalid credentials are refused by the auth service, not here.
        """
        client_lines = _client_lines(request, credentials)
        if not credentials.session_cookies and not credentials.refresh_token:
            return ForwardedCredentials(client_lines)
        if is_anonymous(request.method, route.forwarded_path(request.path).decode("latin-1")):
            return ForwardedCredentials(client_lines)
        if not credentials.refresh_token and is_bearer(credentials.authorization):
            clearing = self._session_cookie.clearing_headers(credentials)
            return ForwardedCredentials(client_lines, None, clearing)
        try:
            principal = yield from self._authentication.authenticate(request, credentials)
        except Refused as refused:
            if refused.status != 401:
                raise
            return ForwardedCredentials(client_lines, None, self._session_cookie.clearing_headers_of(refused))
        return ForwardedCredentials(self._token_lines(principal, credentials), principal, principal.response_headers)

    def _token_lines(self, principal: Principal, credentials: Credentials) -> bytes:
        """Return the lines with the principal's token, and with its MAC if the gateway fetched it."""
        authorization = b"Bearer " + principal.token.encode("ascii")
        mac = fetched_token_mac(principal.token, self._peer_secret) if principal.is_fetched else ""
        return credential_lines(authorization, credentials.other_cookies, mac)


def _client_lines(request: Request, credentials: Credentials) -> bytes:
    known, authorization = request.known_fields, credentials.authorization
    if known is not None and known.token:
        authorization = b"Bearer " + known.token.encode("ascii")
    return credential_lines(authorization, credentials.other_cookies)
