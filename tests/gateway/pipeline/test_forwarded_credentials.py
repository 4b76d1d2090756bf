"""The auth service gets the client's own credentials, or the token that the gateway fetched for the client."""

import asyncio
import json

import pytest
from redis.asyncio import Redis

from contract.fetched_token import FETCHED_TOKEN_HEADER, is_fetched_token
from gateway.browser_sessions.page_sessions import PageSessions, SessionCookieValues
from gateway.browser_sessions.sessions import BrowserSessions
from gateway.browser_sessions.tickets import Tickets
from gateway.http.origin import AllowedOrigins
from gateway.http.request import Request
from gateway.pipeline.authenticate import AuthenticateStage
from gateway.pipeline.authenticators.registry import authenticators
from gateway.pipeline.authenticators.session_cookie import SessionCookieAuthenticator
from gateway.pipeline.credentials import Credentials
from gateway.pipeline.forwarded_credentials import CredentialForwarding, ForwardedCredentials
from gateway.routing.routes import Route, Timeouts, Upstream
from gateway.suspendable import run
from gateway.tokens.auth_client import AuthResponse
from gateway.tokens.refresh import TokenRefresher
from tests.clocks import MovableClock
from tests.gateway.access_tokens import PEER_SECRET, SigningKey, access_claims
from tests.gateway.tokens.verifier_harness import Publisher, VerifierHarness
from tests.watched import watched

ROUTE = Route(
    "/auth/", Upstream("auth", (), "", None, 1), True, frozenset(), frozenset({"GET", "POST"}), 0, Timeouts()
)
HANDLE = b"h" * 43
CLEARING = ((b"set-cookie", b"session="),)


@pytest.fixture
def fetched_token(clock: MovableClock, signing_key: SigningKey) -> str:
    """The token that the auth service returns for every session handle and every refresh token."""
    return signing_key.sign(access_claims(clock()))


@pytest.fixture
def forwarding(clock: MovableClock, signing_key: SigningKey, fetched_token: str) -> CredentialForwarding:
    async def post(path: str, document: bytes) -> AuthResponse:
        grant = {"access": fetched_token, "refresh": "successor", "expires_at": clock() + 3_600, "user": {}}
        return AuthResponse(200, json.dumps(grant).encode(), None)

    harness = VerifierHarness(clock, Publisher([signing_key]))
    asyncio.run(harness.load())
    verifier = harness.token_verifier
    sessions = BrowserSessions(post, clock, 10)
    session_cookie = SessionCookieAuthenticator(
        verifier, sessions, clear_cookie="session=", allowed_origins=AllowedOrigins()
    )
    page_sessions = PageSessions(
        sessions, SessionCookieValues("session={}; Max-Age={}".format, "session="), watched(PEER_SECRET), clock
    )
    tickets = Tickets(Redis.from_url("redis://127.0.0.1:1"), watched(PEER_SECRET), clock)
    registry = authenticators(verifier, TokenRefresher(post), session_cookie, tickets, clock)
    authentication = AuthenticateStage(registry, verifier)
    return CredentialForwarding(authentication, session_cookie, page_sessions, watched(PEER_SECRET))


def choose(
    forwarding: CredentialForwarding, credentials: Credentials, path: str = "/auth/users/me/"
) -> ForwardedCredentials:
    request = Request("1", "GET", path.encode(), b"", [(b"host", b"h")], "1.1", "192.0.2.7", "https", None)
    return asyncio.run(run(forwarding.choose(request, credentials, ROUTE)))


@pytest.mark.parametrize(
    ("credentials", "lines"),
    [
        (Credentials(), b""),
        (Credentials(b"Bearer x"), b"Authorization: Bearer x\r\n"),
        (Credentials(b"Basic eDp5"), b"Authorization: Basic eDp5\r\n"),
        (Credentials(other_cookies=(b"a=1", b"b=2")), b"Cookie: a=1; b=2\r\n"),
        (Credentials(b"Bearer x", other_cookies=(b"a=1",)), b"Authorization: Bearer x\r\nCookie: a=1\r\n"),
        (Credentials(refresh_token="r"), b""),
        (Credentials(b"Bearer x", refresh_token="r"), b"Authorization: Bearer x\r\n"),
    ],
    ids=repr,
)
def test_without_a_token_from_the_gateway_the_clients_own_credentials_are_forwarded(
    forwarding: CredentialForwarding, credentials: Credentials, lines: bytes
) -> None:
    """Invalid credentials too: the auth service refuses them itself. X-Refresh-Token is not forwarded."""
    assert choose(forwarding, credentials) == ForwardedCredentials(lines)


def test_a_session_cookie_is_replaced_by_the_token_that_the_gateway_fetched(
    forwarding: CredentialForwarding, fetched_token: str
) -> None:
    """The token's MAC shows the auth service that the gateway fetched it, and that no client has presented it."""
    chosen = choose(forwarding, Credentials(session_cookies=(HANDLE,), other_cookies=(b"a=1",)))
    fields = dict(line.split(": ") for line in chosen.lines.decode().split("\r\n") if line)
    assert set(fields) == {"Authorization", FETCHED_TOKEN_HEADER, "Cookie"}
    assert (fields["Authorization"], fields["Cookie"]) == (f"Bearer {fetched_token}", "a=1")
    assert is_fetched_token(fetched_token, fields[FETCHED_TOKEN_HEADER], PEER_SECRET)
    assert chosen.principal is not None
    assert chosen.principal.handle == HANDLE.decode()


def test_an_expired_token_is_replaced_by_the_refreshed_one(
    forwarding: CredentialForwarding, clock: MovableClock, signing_key: SigningKey, fetched_token: str
) -> None:
    expired = signing_key.sign(access_claims(clock() - 3_600))
    chosen = choose(forwarding, Credentials(f"Bearer {expired}".encode(), "good-refresh"))
    assert chosen.lines.startswith(f"Authorization: Bearer {fetched_token}\r\n".encode())
    assert chosen.principal is not None
    assert chosen.principal.fresh is not None
    assert chosen.principal.fresh.refresh == "successor"


def test_a_malformed_session_cookie_is_cleared_and_not_forwarded(forwarding: CredentialForwarding) -> None:
    """This holds for the cookie alone, and together with a token, which is forwarded."""
    alone = choose(forwarding, Credentials(session_cookies=(b"malformed",)))
    assert alone == ForwardedCredentials(b"", None, CLEARING)
    with_token = choose(forwarding, Credentials(b"Bearer x", session_cookies=(b"malformed",)))
    assert with_token == ForwardedCredentials(b"Authorization: Bearer x\r\n", None, CLEARING)


def test_the_session_is_not_used_for_an_anonymous_endpoint(forwarding: CredentialForwarding) -> None:
    """The body of a log-in or a refresh has the credentials, so the cookie of an old session must not matter."""
    chosen = choose(forwarding, Credentials(session_cookies=(HANDLE,)), "/auth/jwt/refresh/")
    assert chosen == ForwardedCredentials(b"")
