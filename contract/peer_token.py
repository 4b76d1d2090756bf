"""The peer token: how the gateway authenticates to the auth service's internal endpoints.

A token is valid for one minute and only for these endpoints. The shared secret itself is never sent.
"""

from contract.claims import check_registered_claims
from contract.jws import encoded_header, parse_jws, read_claims, sign_claims
from contract.problems import ProblemCode

PEER_HEADER = "X-Peer"
"""The header that carries the token. Never accepted from clients."""
PEER_REFUSED: ProblemCode = "peer_refused"
"""The code of the 403 with which the auth service answers a missing or invalid peer token."""
PEER_TYP = "peer+jwt"
PEER_AUDIENCE = "sallyport-internal"
ISSUER = "sallyport-gateway"
LIFETIME = 60
"""Lifetime of a peer token in seconds."""

_ALGORITHM = "HS256"
_HEADER = encoded_header(typ=PEER_TYP, algorithm=_ALGORITHM)


def sign_peer(secret: str, *, now: float) -> str:
    """Return a peer token that is valid for 60 seconds from `now`."""
    claims = {"iss": ISSUER, "aud": PEER_AUDIENCE, "iat": int(now), "exp": int(now) + LIFETIME}
    return sign_claims(claims, header=_HEADER, algorithm=_ALGORITHM, key=secret.encode())


def verify_peer(token: str, secret: str, *, now: float) -> None:
    """Verify a peer token. Raises InvalidToken."""
    claims = read_claims(parse_jws(token), typ=PEER_TYP, algorithm=_ALGORITHM, key=secret.encode())
    check_registered_claims(claims, issuer=ISSUER, audiences={PEER_AUDIENCE}, now=now)
