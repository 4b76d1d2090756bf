"""The pipeline of a gateway in front of the service, both in this process and with the same clock."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from chassis.redis_clients import async_redis_client
from contract.claims import DEFAULT_ACCESS_AUDIENCE, DEFAULT_ISSUER
from contract.page_session import CHANGE_HEADER
from contract.peer_token import PEER_HEADER, sign_peer
from contract.problems import Refused
from gateway.browser_sessions.page_sessions import PageSessions, SessionCookieValues
from gateway.browser_sessions.sessions import BrowserSessions
from gateway.browser_sessions.tickets import Tickets
from gateway.http.origin import AllowedOrigins
from gateway.http.request import Request, RequestRecord
from gateway.http.via import Via
from gateway.pipeline.authenticate import AuthenticateStage
from gateway.pipeline.authenticators.registry import authenticators
from gateway.pipeline.authenticators.session_cookie import SessionCookieAuthenticator
from gateway.pipeline.forwarded_credentials import CredentialForwarding
from gateway.pipeline.identity_headers import IdentityHeaders
from gateway.pipeline.match import MatchStage
from gateway.pipeline.pipeline import AdmittedRequest, Pipeline
from gateway.rate_limits.limiter import RateLimiter
from gateway.rate_limits.redis_sync import SharedCounters
from gateway.routing.loader import load_routes
from gateway.suspendable import run
from gateway.tokens.auth_client import AuthResponse
from gateway.tokens.refresh import FreshTokens, TokenRefresher
from gateway.tokens.revocations import Revocations
from gateway.tokens.usage_reports import UsageReports
from gateway.tokens.verification_keys import VerificationKeys
from gateway.tokens.verifier import TokenVerifier
from tests.auth_service.world import PEER_SECRET
from tests.clocks import MovableClock
from tests.gateway.routes_toml import route_table, routes_toml, upstream_table
from tests.watched import watched

COOKIE = "__Host-session"
Fields = list[tuple[bytes, bytes]]
_NOTES_SECRET = "nT5bVxRw8LmKq2Zs7YcPd4HgJf9UaEo3Ti6XyWuB"
# The services are in this process, and nothing is sent to these URLs.
_UNUSED_URL = "http://127.0.0.1:1"
_ROUTES = routes_toml(
    upstream_table("auth", _UNUSED_URL),
    upstream_table("notes", _UNUSED_URL, identity_secret_env="NOTES_SECRET"),
    route_table("/auth/", "public", upstream="auth"),
    route_table("/api/"),
)


def _set_cookie(handle: str, max_age: int) -> str:
    return f"{COOKIE}={handle}; Max-Age={max_age}"


@dataclass(frozen=True)
class Outcome:
    """The result of a request: its status, the code of a refusal, and the tokens of a refresh."""

    status: int
    code: str = ""
    fresh: FreshTokens | None = None


class GatewayInFront:
    """The pipeline of one gateway worker. Only requests to /auth/ are forwarded; others end after the pipeline."""

    def __init__(self, client: FlaskClient, clock: MovableClock, redis_url: str, folder: Path) -> None:
        self._client = client
        self._clock = clock
        self._redis_url = redis_url
        routes = folder / "routes.toml"
        routes.write_text(_ROUTES)
        table = load_routes(routes, environ={"NOTES_SECRET": _NOTES_SECRET}, data_dir=folder)
        self.keys = VerificationKeys(self._fetch_keys, clock, 60)
        self.revocations = Revocations(fail_closed=False)
        self.usage_reports = UsageReports(self._post)
        self.token_verifier = TokenVerifier(
            self.keys,
            self.revocations,
            self.usage_reports.add,
            clock,
            issuer=DEFAULT_ISSUER,
            audience=DEFAULT_ACCESS_AUDIENCE,
            size=100,
            leeway=10,
        )
        self.sessions = BrowserSessions(self._post, clock, 100)
        self.session_cookie = SessionCookieAuthenticator(
            self.token_verifier, self.sessions, clear_cookie=f"{COOKIE}=", allowed_origins=AllowedOrigins()
        )
        peer_secrets, cookie_values = watched(PEER_SECRET), SessionCookieValues(_set_cookie, f"{COOKIE}=")
        tickets = Tickets(async_redis_client(redis_url), peer_secrets, clock)
        refresher = TokenRefresher(self._post)
        authentication = AuthenticateStage(
            authenticators(self.token_verifier, refresher, self.session_cookie, tickets, clock), self.token_verifier
        )
        self.pipeline = Pipeline(
            MatchStage(table, authentication, COOKIE, Via("test"), lambda _: None),
            authentication,
            CredentialForwarding(
                authentication,
                self.session_cookie,
                PageSessions(self.sessions, cookie_values, peer_secrets, clock),
                peer_secrets,
            ),
            IdentityHeaders(100),
            RateLimiter(SharedCounters(async_redis_client(redis_url), clock), clock),
            clock,
        )
        asyncio.run(self.keys.refresh())

    def log_in(self, email: str, password: str) -> str:
        """Log in a browser and return its handle."""
        opened = asyncio.run(self.sessions.log_in(email, password, device="a browser", address="192.0.2.1"))
        return opened.handle

    def get(self, path: str, *, access: str = "", refresh: str = "", handle: str = "") -> Outcome:
        """Send a GET request with these credentials."""
        headers = [(b"host", b"gateway")]
        if access:
            headers.append((b"authorization", f"Bearer {access}".encode()))
        if refresh:
            headers.append((b"x-refresh-token", refresh.encode()))
        if handle:
            headers.append((b"cookie", f"{COOKIE}={handle}".encode()))
        request = Request("1", "GET", path.encode(), b"", headers, "1.1", "192.0.2.1", "https", None)
        try:
            admitted = asyncio.run(run(self.pipeline.admit(request, RequestRecord())))
        except Refused as refused:
            return Outcome(refused.status, refused.code)
        status = self._forward(admitted).status_code if path.startswith("/auth/") else 200
        return Outcome(status, fresh=admitted.fresh)

    def open_page(self, method: str, target: str, fields: Fields, body: bytes = b"") -> tuple[TestResponse, Fields]:
        """Send a request of a browser and return the response, and its header fields for the browser.

        Raises Refused.
        """
        path, _, query = target.partition("?")
        length = [(b"content-length", str(len(body)).encode())] if body else []
        headers = [(b"host", b"gateway"), *fields, *length]
        request = Request("1", method, path.encode(), query.encode(), headers, "1.1", "192.0.2.1", "https", None)
        admitted = asyncio.run(run(self.pipeline.admit(request, RequestRecord())))
        response = self._forward(admitted, body)
        received = [(name.lower().encode(), value.encode()) for name, value in response.headers]
        change = response.headers.get(CHANGE_HEADER, "") if response.status_code == 303 else ""
        received = [*received, *admitted.response_headers]
        if admitted.page_session is not None and change:
            received = admitted.page_session.apply(change, received)
        return response, received

    def send_usage_reports(self) -> None:
        """Send the pending usage reports, as a worker does once a second."""
        asyncio.run(self.usage_reports.report_once())

    def _forward(self, admitted: AdmittedRequest, body: bytes = b"") -> TestResponse:
        request_line, *lines = admitted.head(b"Host: auth\r\n").decode("latin-1").split("\r\n")
        method, target, _ = request_line.split(" ")
        fields = [tuple(line.split(": ", 1)) for line in lines if line]
        return self._client.open(target, method=method, headers=[(name, value) for name, value in fields], data=body)

    async def _fetch_keys(self) -> bytes:
        return bytes(self._client.get("/.well-known/jwks.json").data)

    async def _post(self, path: str, document: bytes) -> AuthResponse:
        headers = {PEER_HEADER: sign_peer(PEER_SECRET, now=self._clock())}
        response = self._client.post(path, data=document, content_type="application/json", headers=headers)
        return AuthResponse(response.status_code, response.data, None)
