"""Owns how the gateway proves itself to the auth service's internal endpoints: a short-lived token of its own kind.

The long-lived secret itself never travels; what travels is good for a minute and for this purpose alone.
"""

from contract.claims import check_registered_claims
from contract.jws import encoded_header, read_claims, read_header, sign_claims

PEER_HEADER = "X-Peer"
PEER_REFUSED = "peer_refused"
"""The code of the auth service's 403 to whoever does not prove to be the gateway."""
PEER_TYP = "peer+jwt"
PEER_AUDIENCE = "sallyport-internal"
ISSUER = "sallyport-gateway"
LIFETIME = 60
"""Seconds."""

_ALGORITHM = "HS256"
_HEADER = encoded_header(typ=PEER_TYP, algorithm=_ALGORITHM)


def sign_peer(secret: str, *, now: float) -> str:
    """A token that says "I am the gateway", good for 60 seconds from `now`."""
    claims = {"iss": ISSUER, "aud": PEER_AUDIENCE, "iat": int(now), "exp": int(now) + LIFETIME}
    return sign_claims(claims, header=_HEADER, algorithm=_ALGORITHM, key=secret.encode())


def verify_peer(token: str, secret: str, *, now: float) -> None:
    """Returns when `token` was signed by the gateway lately. Raises InvalidToken."""
    header = read_header(token)
    claims = read_claims(token, header, typ=PEER_TYP, algorithm=_ALGORITHM, key=secret.encode())
    check_registered_claims(claims, issuer=ISSUER, audiences={PEER_AUDIENCE}, now=now)
