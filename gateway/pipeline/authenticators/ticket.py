"""Authenticator for one-time tickets (`?ticket=`), which open a stream for a page that cannot send its token."""

from contract.problems import Refused
from gateway.browser_sessions.tickets import Tickets
from gateway.http.request import Request
from gateway.http.websocket_handshake import is_websocket_upgrade
from gateway.pipeline.credentials import Credentials
from gateway.routing.routes import Route
from gateway.suspendable import Suspendable, wait_for
from gateway.tokens.principal import Principal
from gateway.tokens.verifier import TokenVerifier

_PARAMETER = b"ticket"


class TicketAuthenticator:
    """Redeems the ticket for the claims of the token that it was issued for."""

    kind = "ticket"

    def __init__(self, token_verifier: TokenVerifier, tickets: Tickets) -> None:
        self._token_verifier = token_verifier
        self._tickets = tickets

    def applies(self, request: Request, credentials: Credentials) -> bool:
        """Return whether there is a ticket."""
        return bool(credentials.tickets)

    def authenticate(self, request: Request, credentials: Credentials) -> Suspendable[Principal]:
        """Return the principal of the ticket. Raises Refused: 401, 503; 400 for a second ticket or an Authorization.

        A session cookie in the request is ignored, because a browser adds it to every request.
        """
        if len(credentials.tickets) > 1:
            raise Refused("multiple_credentials", "There is more than one ticket.")
        if credentials.authorization is not None:
            raise Refused("multiple_credentials", "There is an Authorization header and a ticket.")
        claims = yield from wait_for(self._tickets.redeem(credentials.tickets[0]))
        self._token_verifier.confirm(claims)
        return Principal(claims, "")


def split_tickets(request: Request, route: Route) -> tuple[bytes, tuple[str, ...]]:
    """Return the query without its tickets, and the tickets; the whole query if `route` accepts no ticket.

    Routes that are not public accept tickets in the handshake of a WebSocket, and in a GET if they have `streams`.
    """
    query = request.query
    if b"ticket=" not in query or route.public or not _opens_stream(request, route):
        return query, ()
    pairs = [(pair, pair.partition(b"=")) for pair in query.split(b"&")]
    tickets = tuple(value.decode("latin-1") for _, (name, _, value) in pairs if name == _PARAMETER)
    return b"&".join(pair for pair, (name, _, _) in pairs if name != _PARAMETER), tickets


def _opens_stream(request: Request, route: Route) -> bool:
    return (route.streams and request.method == "GET") or (route.websocket and is_websocket_upgrade(request))
