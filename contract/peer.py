"""Owns how the gateway proves itself to the auth service's internal endpoints: a short-lived token of its own kind.

The long-lived secret itself never travels; what travels is good for a minute and for this purpose alone.
"""

import json

import jwt

from contract.claims import InvalidToken, check_registered_claims, is_compact_jws

PEER_HEADER = "X-Peer"
PEER_TYP = "peer+jwt"
PEER_AUDIENCE = "sallyport-internal"
ISSUER = "sallyport-gateway"
LIFETIME = 60
"""Seconds."""


def sign_peer(secret: str, *, now: float) -> str:
    """A token that says "I am the gateway", good for 60 seconds from `now`."""
    claims = {"iss": ISSUER, "aud": PEER_AUDIENCE, "iat": int(now), "exp": int(now) + LIFETIME}
    return jwt.encode(claims, secret, algorithm="HS256", headers={"typ": PEER_TYP})


def verify_peer(token: str, secret: str, *, now: float) -> None:
    """Returns when `token` was signed by the gateway lately. Raises InvalidToken."""
    if not is_compact_jws(token):
        raise InvalidToken("Peer token is malformed")
    try:
        decoded = jwt.api_jws.decode_complete(token, secret, algorithms=["HS256"])
        claims = json.loads(decoded["payload"])
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise InvalidToken("Peer token has a bad signature") from error
    if decoded["header"].get("typ") != PEER_TYP or not isinstance(claims, dict):
        raise InvalidToken("Peer token has another type")
    check_registered_claims(claims, issuer=ISSUER, audiences={PEER_AUDIENCE}, now=now)
