"""The identity assertion: a JWT in one header that tells a service who is calling.

The gateway signs it for one service, with a secret that only the two share. A service takes everything it knows
about a caller from the verified claims.
"""

import json
from dataclasses import dataclass

from contract.claims import IDENTITY_TYP, InvalidToken, check_registered_claims, text_claim
from contract.jws import encoded_header, read_claims, read_header, signed
from contract.keys import AssertionSigner, AssertionVerifier

IDENTITY_HEADER = "X-Identity"
READABLE_HEADERS = ("X-User-Id", "X-User-Email", "X-User-Roles", "X-Session-Id")
"""The same facts in plain text, for debugging. No service may trust them."""

REFUSED_HEADER = "X-Identity-Refused"
"""Set by a service on a 401 if it rejects the assertion; the value is the reason. The gateway then answers 502,
because the configuration is wrong: secret, audience, key or clock. The field never reaches a client."""

ISSUER = "sallyport-gateway"
VERSION = 1
MAX_AGE = 60
"""Longest lifetime of an assertion in seconds, whatever its `exp` says."""

_quoted = json.JSONEncoder().encode
_HEADERS = {name: encoded_header(typ=IDENTITY_TYP, algorithm=name) for name in ("HS256", "EdDSA")}


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller as asserted by the gateway: subject, session id, e-mail and roles."""

    subject: str
    session: str
    email: str
    roles: tuple[str, ...] = ()

    def has_role(self, role: str) -> bool:
        """Return whether the caller has `role`."""
        return role in self.roles


def sign(identity: Identity, *, signer: AssertionSigner, audience: str, now: float, lifetime: int = MAX_AGE) -> str:
    """Return an assertion of `identity` for the service `audience`, valid for `lifetime` seconds (at most 60)."""
    if not 0 < lifetime <= MAX_AGE:
        raise ValueError(f"lifetime must be from 1 to {MAX_AGE} seconds, not {lifetime}")
    issued_at = int(now)
    # All claims are scalars, so that an edge proxy can copy them without our code. A template takes 1 us, a JSON
    # encoder 5 us.
    values = (audience, identity.subject, identity.session, identity.email, " ".join(identity.roles))
    named, subject, session, email, roles = map(_quoted, values)
    claims = (
        f'{{"ver":{VERSION},"iss":"{ISSUER}","aud":{named},"iat":{issued_at},"exp":{issued_at + lifetime},'
        f'"sub":{subject},"sid":{session},"email":{email},"roles":{roles}}}'
    )
    return signed(claims, header=_HEADERS[signer.algorithm], sign=signer.sign)


def verify(assertion: str, *, verifier: AssertionVerifier, audience: str, now: float) -> Identity:
    """Return the identity in `assertion`. Raises InvalidToken, also if `iat` is more than 60 seconds ago."""
    header = read_header(assertion)
    claims = read_claims(assertion, header, typ=IDENTITY_TYP, algorithm=verifier.algorithm, key=verifier.key)
    if claims.get("ver") != VERSION:
        raise InvalidToken("Assertion has an unknown version")
    check_registered_claims(claims, issuer=ISSUER, audiences={audience}, now=now)
    # No leeway: gateways sign a new assertion every 30 seconds, so a clock skew of 10 seconds does no harm.
    if now >= claims["iat"] + MAX_AGE:
        raise InvalidToken("Assertion is too old")
    return Identity(
        subject=text_claim(claims, "sub"),
        session=text_claim(claims, "sid"),
        email=text_claim(claims, "email"),
        roles=tuple(text_claim(claims, "roles", may_be_empty=True).split()),
    )
