"""The registry: which authenticator is used for which credentials, and how another one is added."""

import asyncio

import pytest
from redis.asyncio import Redis

from contract.problems import Refused
from gateway.browser_sessions.sessions import BrowserSessions
from gateway.browser_sessions.tickets import Tickets
from gateway.http.origin import AllowedOrigins
from gateway.http.request import Request
from gateway.pipeline.authenticate import AuthenticateStage
from gateway.pipeline.authenticators.authenticator import Authenticator
from gateway.pipeline.authenticators.registry import authenticators
from gateway.pipeline.authenticators.session_cookie import SessionCookieAuthenticator
from gateway.pipeline.credentials import Credentials
from gateway.suspendable import Suspendable, run
from gateway.tokens.auth_client import AuthResponse
from gateway.tokens.principal import Principal
from gateway.tokens.refresh import TokenRefresher
from gateway.tokens.verifier import TokenVerifier
from tests.clocks import MovableClock
from tests.gateway.access_tokens import PEER_SECRET, SigningKey, read_claims
from tests.gateway.tokens.verifier_harness import Publisher, VerifierHarness
from tests.watched import watched

REQUEST = Request("id-1", "GET", b"/api/", b"", [(b"host", b"gateway")], "1.1", "192.0.2.7", "https", None)
HANDLE = b"h" * 43


@pytest.fixture
def token_verifier(clock: MovableClock, signing_key: SigningKey) -> TokenVerifier:
    harness = VerifierHarness(clock, Publisher([signing_key]))
    asyncio.run(harness.load())
    return harness.token_verifier


@pytest.fixture
def registry(clock: MovableClock, token_verifier: TokenVerifier) -> tuple[Authenticator, ...]:
    """The authenticators, with an auth service and a Redis that are down."""

    async def post(path: str, document: bytes) -> AuthResponse:
        raise OSError("the auth service is down")

    session_cookie = SessionCookieAuthenticator(
        token_verifier,
        BrowserSessions(post, clock, 10),
        clear_cookie="session=",
        allowed_origins=AllowedOrigins(),
    )
    tickets = Tickets(Redis.from_url("redis://127.0.0.1:1"), watched(PEER_SECRET), clock)
    return authenticators(token_verifier, TokenRefresher(post), session_cookie, tickets, clock)


TOKEN = Credentials(authorization=b"Bearer a.b.c")
BASIC = Credentials(authorization=b"Basic eDp5")
COOKIE = Credentials(session_cookies=(HANDLE,))


@pytest.mark.parametrize(
    ("credentials", "used"),
    [
        (Credentials(), "NoCredentials"),
        (TOKEN, "Bearer"),
        (TOKEN._replace(authorization=b"Bearer two tokens"), "Bearer"),
        (BASIC, "NoCredentials"),
        (TOKEN._replace(refresh_token="r"), "BearerWithRefresh"),
        (TOKEN._replace(refresh_token=""), "Bearer"),
        (Credentials(refresh_token="r"), "NoCredentials"),
        (COOKIE, "SessionCookie"),
        (COOKIE._replace(session_cookies=(HANDLE, HANDLE)), "SessionCookie"),
        (COOKIE._replace(refresh_token="r"), "SessionCookie"),
        (COOKIE._replace(authorization=BASIC.authorization), "SessionCookie"),
        (COOKIE._replace(authorization=TOKEN.authorization), "Bearer"),
        (COOKIE._replace(authorization=TOKEN.authorization, refresh_token="r"), "BearerWithRefresh"),
        (Credentials(other_cookies=(b"a=b",)), "NoCredentials"),
        (Credentials(tickets=("t",)), "Ticket"),
        (COOKIE._replace(tickets=("t",)), "Ticket"),
        (TOKEN._replace(tickets=("t",)), "Ticket"),
    ],
    ids=repr,
)
def test_the_first_authenticator_that_applies_is_used(
    registry: tuple[Authenticator, ...], token_verifier: TokenVerifier, credentials: Credentials, used: str
) -> None:
    """A cookie together with a token or a ticket is ignored, because a browser adds it to every request."""
    stage = AuthenticateStage(registry, token_verifier)
    assert type(stage.choose(REQUEST, credentials)).__name__ == f"{used}Authenticator"


@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        (Credentials(), "no_credentials"),
        (BASIC, "no_credentials"),
        (TOKEN, "token_invalid"),
        (TOKEN._replace(refresh_token="r"), "token_invalid"),
        (COOKIE, "auth_unavailable"),
        (COOKIE._replace(session_cookies=(b"no handle",)), "session_ended"),
        (COOKIE._replace(session_cookies=(HANDLE, HANDLE)), "multiple_credentials"),
        (Credentials(tickets=("t", "t")), "multiple_credentials"),
        (TOKEN._replace(tickets=("t",)), "multiple_credentials"),
        (Credentials(tickets=("t",)), "tickets_unavailable"),
    ],
    ids=repr,
)
def test_each_authenticator_refuses_invalid_credentials(
    registry: tuple[Authenticator, ...], token_verifier: TokenVerifier, credentials: Credentials, code: str
) -> None:
    stage = AuthenticateStage(registry, token_verifier)
    with pytest.raises(Refused) as refused:
        asyncio.run(run(stage.authenticate(REQUEST, credentials)))
    assert refused.value.code == code


class ApiKeyAuthenticator:
    """An example of another authenticator: it needs this class in a file, and a line in the registry."""

    kind = "api_key"

    def applies(self, request: Request, credentials: Credentials) -> bool:
        return request.header(b"x-api-key") is not None

    def authenticate(self, request: Request, credentials: Credentials) -> Suspendable[Principal]:
        if request.header(b"x-api-key") != "secret":
            raise Refused("token_invalid")
        yield from ()
        return Principal(read_claims(subject="robot"), "")


def test_another_authenticator_takes_its_place_in_the_order(
    registry: tuple[Authenticator, ...], token_verifier: TokenVerifier
) -> None:
    stage = AuthenticateStage((ApiKeyAuthenticator(), *registry), token_verifier)
    with_key = REQUEST._replace(headers=[*REQUEST.headers, (b"x-api-key", b"secret")])
    assert asyncio.run(run(stage.authenticate(with_key, TOKEN))).claims.subject == "robot"
    assert type(stage.choose(REQUEST, TOKEN)).__name__ == "BearerAuthenticator"
