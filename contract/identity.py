"""Owns the identity assertion: what the gateway vouches for, and how a service verifies it.

One header carries a JWT that is signed for one service, under a secret that this service shares with the
gateway alone. A service takes everything it believes about a caller from the verified claims.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from contract.claims import (
    IDENTITY_TYP,
    InvalidToken,
    check_registered_claims,
    is_compact_jws,
    text_claim,
)
from contract.keys import AssertionSigner, AssertionVerifier

IDENTITY_HEADER = "X-Identity"
READABLE_HEADERS = ("X-User-Id", "X-User-Email", "X-User-Roles", "X-Session-Id")
"""For people reading a dump. No service may believe them."""

ISSUER = "sallyport-gateway"
VERSION = 1
MAX_AGE = 60
"""Seconds. An assertion lives at most this long, whatever its `exp` says."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is calling: the subject, its session, e-mail and roles, as the gateway vouches for them."""

    subject: str
    session: str
    email: str
    roles: tuple[str, ...] = ()

    def has_role(self, role: str) -> bool:
        """Whether `role` was granted."""
        return role in self.roles


def sign(identity: Identity, *, signer: AssertionSigner, audience: str, now: float, lifetime: int = MAX_AGE) -> str:
    """An assertion of `identity` for the service `audience`, good for `lifetime` seconds (at most 60)."""
    if not 0 < lifetime <= MAX_AGE:
        raise ValueError(f"lifetime must be from 1 to {MAX_AGE} seconds, not {lifetime}")
    issued_at = int(now)
    # Claims are scalars so that an edge proxy can copy them without code of ours.
    claims = {
        "ver": VERSION,
        "iss": ISSUER,
        "aud": audience,
        "iat": issued_at,
        "exp": issued_at + lifetime,
        "sub": identity.subject,
        "sid": identity.session,
        "email": identity.email,
        "roles": " ".join(identity.roles),
    }
    return jwt.encode(claims, signer.key, algorithm=signer.algorithm, headers={"typ": IDENTITY_TYP})


def verify(assertion: str, *, verifier: AssertionVerifier, audience: str, now: float) -> Identity:
    """The identity in `assertion`. Raises InvalidToken, also over 60 seconds after `iat`."""
    if not is_compact_jws(assertion):
        raise InvalidToken("Assertion is malformed")
    claims = _verified_claims(assertion, verifier)
    if claims.get("ver") != VERSION:
        raise InvalidToken("Assertion has an unknown version")
    check_registered_claims(claims, issuer=ISSUER, audiences={audience}, now=now)
    # No leeway: gateways mint anew every 30 seconds, so clocks 10 seconds apart never meet this.
    if now >= claims["iat"] + MAX_AGE:
        raise InvalidToken("Assertion is too old")
    return Identity(
        subject=text_claim(claims, "sub"),
        session=text_claim(claims, "sid"),
        email=text_claim(claims, "email"),
        roles=tuple(text_claim(claims, "roles", may_be_empty=True).split()),
    )


def _verified_claims(assertion: str, verifier: AssertionVerifier) -> Mapping[str, Any]:
    try:
        # The clock is the caller's, so PyJWT checks the signature and check_registered_claims the times.
        token = jwt.api_jws.decode_complete(assertion, verifier.key, algorithms=[verifier.algorithm])
        claims = json.loads(token["payload"])
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise InvalidToken("Assertion has a bad signature") from error
    if token["header"].get("typ") != IDENTITY_TYP:
        raise InvalidToken("Assertion has another type")
    if not isinstance(claims, dict):
        raise InvalidToken("Assertion has no claims")
    return claims
