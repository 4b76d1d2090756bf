"""Owns the identity assertion: what the gateway vouches for, and how a service verifies it.

One header carries a JWT that is signed for one service, under a secret that this service shares with the
gateway alone. A service takes everything it believes about a caller from the verified claims.
"""

from dataclasses import dataclass

from contract.claims import IDENTITY_TYP, InvalidToken, check_registered_claims, text_claim
from contract.jws import encoded_header, read_claims, read_header, sign_claims
from contract.keys import AssertionSigner, AssertionVerifier

IDENTITY_HEADER = "X-Identity"
READABLE_HEADERS = ("X-User-Id", "X-User-Email", "X-User-Roles", "X-Session-Id")
"""For people reading a dump. No service may believe them."""

ISSUER = "sallyport-gateway"
VERSION = 1
MAX_AGE = 60
"""Seconds. An assertion lives at most this long, whatever its `exp` says."""

_HEADERS = {name: encoded_header(typ=IDENTITY_TYP, algorithm=name) for name in ("HS256", "EdDSA")}


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
    return sign_claims(claims, header=_HEADERS[signer.algorithm], algorithm=signer.algorithm, key=signer.key)


def verify(assertion: str, *, verifier: AssertionVerifier, audience: str, now: float) -> Identity:
    """The identity in `assertion`. Raises InvalidToken, also over 60 seconds after `iat`."""
    header = read_header(assertion)
    claims = read_claims(assertion, header, typ=IDENTITY_TYP, algorithm=verifier.algorithm, key=verifier.key)
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
