"""Owns the identity assertion: what the gateway vouches for, and how a service verifies it.

One header carries a JWT that is signed for one service, under a secret that this service shares with the
gateway alone. A service takes everything it believes about a caller from the verified claims.
"""

import json
from dataclasses import dataclass

from contract.claims import IDENTITY_TYP, InvalidToken, check_registered_claims, text_claim
from contract.jws import encoded_header, read_claims, read_header, signed
from contract.keys import AssertionSigner, AssertionVerifier

IDENTITY_HEADER = "X-Identity"
READABLE_HEADERS = ("X-User-Id", "X-User-Email", "X-User-Roles", "X-Session-Id")
"""For people reading a dump. No service may believe them."""

REFUSED_HEADER = "X-Identity-Refused"
"""In a service's 401: why it does not believe the assertion. The gateway answers 502 then, since the fault is ours:
a wrong secret, audience, key or clock. It never lets the field through to a client."""

ISSUER = "sallyport-gateway"
VERSION = 1
MAX_AGE = 60
"""Seconds. An assertion lives at most this long, whatever its `exp` says."""

_quoted = json.JSONEncoder().encode
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
    # Claims are scalars so that an edge proxy can copy them without code of ours. So a template will do, which takes
    # 1 us where a JSON encoder takes 5.
    values = (audience, identity.subject, identity.session, identity.email, " ".join(identity.roles))
    named, subject, session, email, roles = map(_quoted, values)
    claims = (
        f'{{"ver":{VERSION},"iss":"{ISSUER}","aud":{named},"iat":{issued_at},"exp":{issued_at + lifetime},'
        f'"sub":{subject},"sid":{session},"email":{email},"roles":{roles}}}'
    )
    return signed(claims, header=_HEADERS[signer.algorithm], sign=signer.sign)


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
