"""Credentials for the auth service: those of the client, or a token that the gateway fetched for the client.

The auth service authenticates its clients itself. It is the only upstream that gets credentials.

Its hosted pages have forms that a browser may send without a session, the log-in among them. A page of another origin
could log a browser in to the account of an attacker. So every form of a page has to come from the gateway's own
origin, with a cookie or without, and not from ALLOWED_ORIGINS.
"""

from contextlib import suppress
from typing import NamedTuple

from chassis.secret_rotation.watched_secret import Secrets
from contract.anonymous_endpoints import is_anonymous
from contract.fetched_token import fetched_token_mac
from contract.page_session import is_page
from contract.problems import Refused
from gateway.browser_sessions.page_sessions import PageSession, PageSessions
from gateway.http.header_fields import HeaderTuple
from gateway.http.origin import AllowedOrigins
from gateway.http.request import Request
from gateway.pipeline.authenticate import AuthenticateStage
from gateway.pipeline.authenticators.session_cookie import SessionCookieAuthenticator
from gateway.pipeline.credentials import Credentials, InvalidHandle, is_bearer, session_handle
from gateway.pipeline.csrf import SAFE_METHODS, check_csrf
from gateway.pipeline.request_head import credential_lines
from gateway.routing.routes import Route
from gateway.suspendable import Suspendable
from gateway.tokens.principal import Principal

_NO_OTHER_ORIGINS = AllowedOrigins()


class ForwardedCredentials(NamedTuple):
    """Credential lines for the head to the auth service, and header fields for the response.

    `principal` is the client if the gateway authenticated it; otherwise the client's own credentials are forwarded.
    """

    lines: bytes
    principal: Principal | None = None
    response_headers: HeaderTuple = ()
    page_session: PageSession | None = None
    """The session cookie of a hosted page's form, which the response may set or clear."""


class CredentialForwarding:
    """Chooses the credentials with which a request is forwarded to the auth service."""

    def __init__(
        self,
        authentication: AuthenticateStage,
        session_cookie: SessionCookieAuthenticator,
        page_sessions: PageSessions,
        peer_secrets: Secrets,
    ) -> None:
        self._authentication = authentication
        self._session_cookie = session_cookie
        self._page_cookie = session_cookie.accepting_forms()
        self._page_sessions = page_sessions
        self._peer_secrets = peer_secrets

    def choose(self, request: Request, credentials: Credentials, route: Route) -> Suspendable[ForwardedCredentials]:
        """Return the credentials to forward. Raises Refused: 400, 403, 502, 503.

        The session cookie is never forwarded. Invalid credentials are refused by the auth service, not here.
        """
        path = route.forwarded_path(request.path).decode("latin-1")
        if is_page(path):
            return (yield from self._choose_for_page(request, credentials))
        client_lines = _client_lines(request, credentials)
        if not credentials.session_cookies and not credentials.refresh_token:
            return ForwardedCredentials(client_lines)
        if is_anonymous(request.method, path):
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

    def _choose_for_page(self, request: Request, credentials: Credentials) -> Suspendable[ForwardedCredentials]:
        """Return the credentials for a hosted page: cookies, and no token of the client."""
        page_session = self._page_session(request, credentials)
        offer_line = page_session.offer_line if page_session is not None else b""
        cookie_lines = offer_line + credential_lines(None, credentials.other_cookies)
        if not credentials.session_cookies:
            return ForwardedCredentials(cookie_lines, page_session=page_session)
        try:
            principal = yield from self._page_cookie.authenticate(request, credentials)
        except Refused as refused:
            if refused.status != 401:
                raise
            clearing = self._session_cookie.clearing_headers_of(refused)
            return ForwardedCredentials(cookie_lines, None, clearing, page_session)
        lines = offer_line + self._token_lines(principal, credentials)
        return ForwardedCredentials(lines, principal, principal.response_headers, page_session)

    def _page_session(self, request: Request, credentials: Credentials) -> PageSession | None:
        """Return the session cookie of a form; None for a request with a safe method. Raises Refused(403)."""
        if request.method in SAFE_METHODS:
            return None
        check_csrf(
            request.method,
            custom_header=None,
            origin=request.header(b"origin"),
            fetch_site=request.header(b"sec-fetch-site"),
            scheme=request.scheme,
            host=request.header(b"host"),
            allowed_origins=_NO_OTHER_ORIGINS,
            accepts_forms=True,
        )
        current: str | None = None
        with suppress(InvalidHandle, Refused):  # neither a malformed cookie nor two name a session
            current = session_handle(credentials.session_cookies)
        return self._page_sessions.offer(current)

    def _token_lines(self, principal: Principal, credentials: Credentials) -> bytes:
        """Return the lines with the principal's token, and with its MAC if the gateway fetched it."""
        authorization = b"Bearer " + principal.token.encode("ascii")
        mac = fetched_token_mac(principal.token, self._peer_secrets.current()[0]) if principal.is_fetched else ""
        return credential_lines(authorization, credentials.other_cookies, mac)


def _client_lines(request: Request, credentials: Credentials) -> bytes:
    known, authorization = request.known_fields, credentials.authorization
    if known is not None and known.token:
        authorization = b"Bearer " + known.token.encode("ascii")
    return credential_lines(authorization, credentials.other_cookies)
