"""Reads the credentials that a request carries: at most one access token, as `Authorization: Bearer`."""

from contract.claims import MAX_TOKEN_LENGTH
from contract.problems import Refused


def bearer_token(authorization: bytes | None) -> str:
    """The token in an Authorization value (RFC 6750 2.1; the scheme's case does not count, RFC 9110 11.1).

    Raises Refused(401): without an error code where there is no Bearer token, as invalid where it is malformed.
    """
    if authorization is None:
        raise Refused("no_credentials")
    scheme, _, token = authorization.strip().partition(b" ")
    if scheme.lower() != b"bearer":
        raise Refused("no_credentials", "Only the Bearer scheme is known here.")
    token = token.strip()
    if not token or b" " in token or len(token) > MAX_TOKEN_LENGTH:
        raise Refused("token_invalid", "The Authorization header must be the word Bearer and one token.")
    return token.decode("latin-1")
