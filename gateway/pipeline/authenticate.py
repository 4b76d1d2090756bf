"""Finds out who asks, by whichever of these ways a client holds its tokens.

| the client sends | who refreshes |
|---|---|
| `Authorization: Bearer` | the client |
| the same, and `X-Refresh-Token` | the gateway, when the access token has expired |
| the session cookie | the gateway, ahead of expiry |
| `?ticket=`, for a stream | nobody: it stands for one token |
"""

from chassis.clock import Clock
from contract.claims import AccessClaims
from contract.credentials import split_cookies
from contract.fetched import seal_fetched
from contract.problems import Refused
from gateway.browser_sessions.sessions import BrowserSessions, SessionGrant
from gateway.browser_sessions.tickets import Tickets
from gateway.http.origin import AllowedOrigins
from gateway.http.request import Request
from gateway.http.request_headers import RequestFields
from gateway.http.websocket_handshake import asks_for_websocket
from gateway.pipeline.credentials import BadHandle, bearer_token, clearing, is_bearer, session_handle
from gateway.pipeline.csrf import check_origin, check_same_origin
from gateway.tokens.principal import Fields, Principal
from gateway.tokens.refresh import TokenRefresher
from gateway.tokens.verifier import TokenVerifier


class Authentication:
    """authenticate -> (refresh, once) -> authenticate again."""

    def __init__(
        self,
        token_verifier: TokenVerifier,
        refresher: TokenRefresher,
        sessions: BrowserSessions,
        tickets: Tickets,
        clock: Clock,
        *,
        cookie_name: str,
        clear_cookie: str,
        peer_secret: str,
        allowed_origins: AllowedOrigins,
    ) -> None:
        self._token_verifier = token_verifier
        self._refresher = refresher
        self._sessions = sessions
        self._tickets = tickets
        self._clock = clock
        self._cookie_name = cookie_name.encode("ascii")
        self._set_cookie = clear_cookie
        self._clearing: Fields = ((b"set-cookie", clear_cookie.encode("ascii")),)
        self._peer_secret = peer_secret
        self._allowed_origins = allowed_origins

    def recall(self, token: str) -> Principal | None:
        """Whose request it is that shows `token` alone, where that was verified before. Raises Refused(401)."""
        return self._token_verifier.recall(token, self._clock())

    def verify_at_once(self, token: str) -> Principal | None:
        """As recall, for a token that was not verified before; None where more is needed. Raises Refused(401)."""
        return self._token_verifier.verify_at_once(token)

    def confirm(self, principal: Principal) -> None:
        """Returns where `proof`, which is some seconds old, still holds. Raises Refused.

        A token that the gateway itself renews may have expired meanwhile: its session has not ended by that.
        """
        self._token_verifier.confirm(principal.claims, may_be_expired=principal.is_fetched)

    async def prove(self, request: Request, fields: RequestFields) -> Principal:
        """Whose request it is. Raises Refused: 400 for two session cookies, 401, 403, 503.

        A Bearer token decides alone: no foreign page can send one, so the cookie that a browser sends along unasked
        gives no right beside it, and takes none away.
        """
        handles = self._take_handles(fields)
        if handles and not is_bearer(fields.authorization):
            return await self._prove_session(request, handles)
        principal = await self._prove_token(fields)
        return principal._replace(answer_fields=self._answer_fields(handles)) if handles else principal

    async def _prove_token(self, fields: RequestFields) -> Principal:
        token = bearer_token(fields.authorization)
        try:
            principal = self.recall(token) or await self._token_verifier.verify(token)
            # The leeway is for clocks that differ. A client that lets the gateway refresh needs none; and the auth
            # service, which has none, would refuse the token.
            if not (fields.refresh_token and principal.claims.is_expired(self._clock())):
                return principal
        except Refused as refused:
            if refused.code != "token_expired" or not fields.refresh_token:
                raise
        fresh = await self._refresher.refresh(fields.refresh_token)
        return (await self._token_verifier.verify_fetched(fresh.access))._replace(fresh=fresh)

    async def prove_ticket(self, fields: RequestFields, ticket: str) -> Principal:
        """Whose `ticket` it is, which is spent with that. Raises Refused: 400 for two kinds of credentials, 401, 503.

        A session cookie beside it is ignored: a browser sends that unasked.
        """
        if fields.authorization is not None:
            raise Refused("multiple_credentials", "There is an Authorization header and a ticket.")
        claims = await self._tickets.redeem(ticket)
        self._token_verifier.confirm(claims)
        return Principal(claims, "")

    async def prove_if_held(self, request: Request, fields: RequestFields) -> tuple[Principal | None, Fields]:
        """As prove, where the gateway holds or refreshes tokens for this client, with fields for the answer.

        No proof where it does not. A stale credential is no refusal here: the auth service answers for itself.
        """
        if not fields.refresh_token and is_bearer(fields.authorization):
            return None, self._answer_fields(self._take_handles(fields))
        if not fields.cookies and not fields.refresh_token:
            return None, ()
        try:
            principal = await self.prove(request, fields)
        except Refused as refused:
            if refused.status != 401:
                raise
            return None, self._clearing if "Set-Cookie" in refused.headers else ()
        return principal, principal.answer_fields

    def withhold(self, fields: RequestFields) -> None:
        """Takes out of `fields` what the gateway reads for itself, for an endpoint that asks for no credentials."""
        self._take_handles(fields)

    def _take_handles(self, fields: RequestFields) -> list[bytes]:
        """The values of the session cookie, which is taken out of what may be forwarded."""
        if not fields.cookies:
            return []
        values, fields.cookies = split_cookies(fields.cookies, self._cookie_name)
        return values

    def _answer_fields(self, handles: list[bytes]) -> Fields:
        """What an answer says of session cookies that came beside a token: one that proves nothing is cleared."""
        try:
            handle = session_handle(handles)
        except BadHandle:
            return self._clearing
        except Refused:  # two cookies: which of them would be cleared is the browser's to say
            return ()
        if handle is None:
            return ()
        # No request with a good token waits for it, and none fails while the auth service is away.
        self._sessions.start_lookup(handle)
        return self._clearing if self._sessions.may_clear_cookie(handle) else ()

    def put_token(self, principal: Principal, fields: RequestFields) -> None:
        """Puts the proof's token into a request to the auth service, and says so where no client presented it."""
        fields.authorization = b"Bearer " + principal.token.encode("ascii")
        fields.fetched_seal = seal_fetched(principal.token, self._peer_secret) if principal.is_fetched else ""

    async def _prove_session(self, request: Request, handles: list[bytes]) -> Principal:
        try:
            handle = session_handle(handles) or ""
        except BadHandle as error:
            raise clearing(Refused("session_ended"), self._set_cookie) from error
        if asks_for_websocket(request):
            check_origin(
                request.header(b"origin"),
                scheme=request.scheme,
                host=request.header(b"host"),
                allowed_origins=self._allowed_origins,
            )
        check_same_origin(
            request.method,
            custom_header=request.header(b"x-requested-with"),
            origin=request.header(b"origin"),
            fetch_site=request.header(b"sec-fetch-site"),
            scheme=request.scheme,
            host=request.header(b"host"),
            allowed_origins=self._allowed_origins,
        )
        try:
            return await self._prove_handle(handle)
        except Refused as refused:
            if self._sessions.may_clear_cookie(handle):
                clearing(refused, self._set_cookie)
            raise

    async def renew(self, handle: str) -> AccessClaims:
        """What the session of `handle` says now: from a token that is renewed ahead of its end. Raises Refused."""
        return (await self._prove_handle(handle)).claims

    async def granted(self, handle: str) -> SessionGrant:
        """What `handle` is good for, where a request with it would be let through. Raises Refused: 401, 503."""
        granted = await self._sessions.get_grant(handle)
        await self._prove_granted(handle, granted)
        return granted

    async def _prove_handle(self, handle: str) -> Principal:
        return await self._prove_granted(handle, await self._sessions.get_grant(handle))

    async def _prove_granted(self, handle: str, granted: SessionGrant) -> Principal:
        try:
            return (await self._token_verifier.verify_fetched(granted.access))._replace(handle=handle)
        except Refused as refused:
            if refused.status == 401:
                self._sessions.expire_access_token(handle)
            raise
