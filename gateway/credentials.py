"""Reads the credentials that a request carries: an access token as `Authorization: Bearer`, or a session cookie."""

from contract.claims import MAX_TOKEN_LENGTH
from contract.problems import Refused
from gateway.headers import RequestFields


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


def take_session_handle(fields: RequestFields, cookie_name: bytes) -> str | None:
    """The handle in the session cookie, which is taken out of what may be forwarded. RFC 6265 4.2.

    Raises Refused(400) for two of them.
    """
    handles: list[bytes] = []
    others: list[bytes] = []
    for pair in b";".join(fields.cookies).split(b";"):
        name, _, value = pair.strip().partition(b"=")
        if name == cookie_name:
            handles.append(value)
        elif name:
            others.append(pair.strip())
    fields.cookies = others
    if len(handles) > 1:
        raise Refused("multiple_credentials", "There is more than one session cookie.")
    return handles[0].decode("latin-1") if handles and handles[0] else None
