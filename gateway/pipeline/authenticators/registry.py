"""The registry of authenticators. To add one, write its file and add a line here."""

from chassis.clock import Clock
from gateway.browser_sessions.tickets import Tickets
from gateway.pipeline.authenticators.authenticator import Authenticator
from gateway.pipeline.authenticators.bearer import BearerAuthenticator
from gateway.pipeline.authenticators.bearer_with_refresh import BearerWithRefreshAuthenticator
from gateway.pipeline.authenticators.no_credentials import NoCredentialsAuthenticator
from gateway.pipeline.authenticators.session_cookie import SessionCookieAuthenticator
from gateway.pipeline.authenticators.ticket import TicketAuthenticator
from gateway.tokens.refresh import TokenRefresher
from gateway.tokens.verifier import TokenVerifier


def authenticators(
    token_verifier: TokenVerifier,
    refresher: TokenRefresher,
    session_cookie: SessionCookieAuthenticator,
    tickets: Tickets,
    clock: Clock,
) -> tuple[Authenticator, ...]:
    """Return the authenticators in their order of precedence: the first one that applies is used."""
    return (
        TicketAuthenticator(token_verifier, tickets),
        BearerWithRefreshAuthenticator(token_verifier, refresher, session_cookie, clock),
        BearerAuthenticator(token_verifier, session_cookie),
        session_cookie,
        NoCredentialsAuthenticator(),
    )
