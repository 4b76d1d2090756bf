"""Authenticator for the session cookie: the gateway holds the access token and renews it before it expires."""

from contract.claims import AccessClaims
from contract.problems import Refused
from gateway.browser_sessions.sessions import BrowserSessions, SessionGrant
from gateway.http.header_fields import HeaderTuple
from gateway.http.origin import AllowedOrigins
from gateway.http.request import Request
from gateway.http.websocket_handshake import is_websocket_upgrade
from gateway.pipeline.credentials import Credentials, InvalidHandle, clear_session_cookie, is_bearer, session_handle
from gateway.pipeline.csrf import SAFE_METHODS, check_csrf, check_origin
from gateway.suspendable import Suspendable, run
from gateway.tokens.principal import Principal
from gateway.tokens.verifier import TokenVerifier


class SessionCookieAuthenticator:
    """Exchanges the session handle for the access token that the gateway holds.

    `clear_cookie` is the Set-Cookie value that clears the session cookie.
    """

    kind = "session_cookie"

    def __init__(
        self,
        token_verifier: TokenVerifier,
        sessions: BrowserSessions,
        *,
        clear_cookie: str,
        allowed_origins: AllowedOrigins,
        accepts_forms: bool = False,
    ) -> None:
        self._token_verifier = token_verifier
        self._sessions = sessions
        self._clear_cookie = clear_cookie
        self._clearing: HeaderTuple = ((b"set-cookie", clear_cookie.encode("ascii")),)
        self._allowed_origins = allowed_origins
        self._accepts_forms = accepts_forms

    def accepting_forms(self) -> "SessionCookieAuthenticator":
        """Return the authenticator for routes with `csrf = "origin"`, which shares the sessions with this one."""
        return SessionCookieAuthenticator(
            self._token_verifier,
            self._sessions,
            clear_cookie=self._clear_cookie,
            allowed_origins=self._allowed_origins,
            accepts_forms=True,
        )

    def applies(self, request: Request, credentials: Credentials) -> bool:
        """Return whether there is a session cookie and no Bearer token.

        If there are both, the token authenticates the request: a browser adds the cookie to every request, but a
        foreign page cannot make it send a Bearer token.
        """
        return bool(credentials.session_cookies) and not is_bearer(credentials.authorization)

    def authenticate(self, request: Request, credentials: Credentials) -> Suspendable[Principal]:
        """Return the principal of the session. Raises Refused: 400 for two session cookies, 401, 403, 502, 503."""
        try:
            handle = session_handle(credentials.session_cookies) or ""
        except InvalidHandle as error:
            raise clear_session_cookie(Refused("session_ended"), self._clear_cookie) from error
        self._check_csrf(request)
        try:
            return (yield from self._authenticate_handle(handle))
        except Refused as refused:
            if self._sessions.may_clear_cookie(handle):
                clear_session_cookie(refused, self._clear_cookie)
            raise

    def clearing_headers(self, credentials: Credentials) -> HeaderTuple:
        """Return the field that clears an ignored session cookie if its session has ended; otherwise no field."""
        try:
            handle = session_handle(credentials.session_cookies)
        except InvalidHandle:
            return self._clearing
        except Refused:  # two session cookies: the browser would choose which one to clear
            return ()
        if handle is None:
            return ()
        # The look-up runs in the background: a request with a valid token must not wait for it or fail with it.
        self._sessions.start_lookup(handle)
        return self._clearing if self._sessions.may_clear_cookie(handle) else ()

    def clearing_headers_of(self, refused: Refused) -> HeaderTuple:
        """Return the field that clears the session cookie if `refused` has this field; otherwise no field."""
        return self._clearing if "Set-Cookie" in refused.headers else ()

    async def renew(self, handle: str) -> AccessClaims:
        """Return the claims of the current access token of `handle`, renewed before it expires. Raises Refused."""
        return (await run(self._authenticate_handle(handle))).claims

    async def valid_grant(self, handle: str) -> SessionGrant:
        """Return the grant of `handle` if a request with it would be admitted. Raises Refused: 401, 502, 503."""
        return await run(self._verified_grant(handle))

    def _check_csrf(self, request: Request) -> None:
        if request.method in SAFE_METHODS:
            # Most requests have no Upgrade: looking for it takes 0.4 us, is_websocket_upgrade 1.2.
            if _has_upgrade(request) and is_websocket_upgrade(request):
                check_origin(
                    request.header(b"origin"),
                    scheme=request.scheme,
                    host=request.header(b"host"),
                    allowed_origins=self._allowed_origins,
                )
            return
        check_csrf(
            request.method,
            custom_header=request.header(b"x-requested-with"),
            origin=request.header(b"origin"),
            fetch_site=request.header(b"sec-fetch-site"),
            scheme=request.scheme,
            host=request.header(b"host"),
            allowed_origins=self._allowed_origins,
            accepts_forms=self._accepts_forms,
        )

    def _authenticate_handle(self, handle: str) -> Suspendable[Principal]:
        grant = self._sessions.find_grant(handle)  # without a generator, as for most requests
        if grant is None:
            grant = yield from self._sessions.get_grant(handle)
        return (yield from self._verify(handle, grant))

    def _verified_grant(self, handle: str) -> Suspendable[SessionGrant]:
        grant = yield from self._sessions.get_grant(handle)
        yield from self._verify(handle, grant)
        return grant

    def _verify(self, handle: str, grant: SessionGrant) -> Suspendable[Principal]:
        try:
            return (yield from self._token_verifier.verify_fetched(grant.access, handle, grant.access_digest))
        except Refused as refused:
            if refused.status == 401:
                self._sessions.expire_access_token(handle)
            raise


def _has_upgrade(request: Request) -> bool:
    for name, _ in request.headers:  # noqa: SIM110 - any() with a generator takes twice as long
        if name == b"upgrade":
            return True
    return False
