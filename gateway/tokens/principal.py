"""The principal: the result of authenticating a request."""

from typing import NamedTuple

from contract.claims import AccessClaims
from gateway.http.header_fields import HeaderTuple
from gateway.tokens.refresh import FreshTokens


class Principal(NamedTuple):
    """The authenticated client of a request."""

    claims: AccessClaims
    token: str
    """The access token that was verified; empty for a ticket."""
    fresh: FreshTokens | None = None
    """The new tokens, if the gateway refreshed the client's tokens for this request."""
    handle: str = ""
    """The session handle, if a session cookie authenticated the request."""
    response_headers: HeaderTuple = ()
    """Header fields that authentication adds to the response, also to a refusal."""
    is_fetched: bool = False
    """Whether the gateway fetched the token itself, so that the client has not presented it."""
