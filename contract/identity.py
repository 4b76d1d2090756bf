"""The identity assertion: a JWT in one header that tells a service who is calling.

The gateway signs it for one service, with a secret that only the two share. A service takes everything it knows
about a caller from the verified claims.
"""

from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Protocol

from contract.claims import IDENTITY_TYP, InvalidToken, check_registered_claims, text_claim
from contract.jws import encoded_header, parse_jws, read_claims, sign_payload
from contract.keys import AssertionSigner, AssertionVerifier

IDENTITY_HEADER = "X-Identity"
"""The header that carries the assertion."""
UNSIGNED_HEADERS = ("X-User-Id", "X-User-Email", "X-User-Roles", "X-Session-Id")
"""The claims in plain text, for debugging. They are not signed, so no service may trust them."""

REFUSED_HEADER = "X-Identity-Refused"
"""The header of a service's 401 that gives the reason why the service rejects the assertion.

The gateway answers its client with 502 instead and does not forward this header. The cause is a wrong configuration:
secret, audience, key or clock."""

ISSUER = "sallyport-gateway"
VERSION = 1
"""The claim `ver`: the version of the claims. A verifier rejects every other version."""
MAX_AGE = 60
"""Maximum lifetime of an assertion in seconds. A verifier applies it even if `exp` is later."""

_HEADERS = {name: encoded_header(typ=IDENTITY_TYP, algorithm=name) for name in ("HS256", "EdDSA")}


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller, as the gateway asserts it. `session` is the session id (`sid`)."""

    subject: str
    session: str
    email: str
    roles: tuple[str, ...] = ()

    def has_role(self, role: str) -> bool:
        """Return whether the caller has `role`."""
        return role in self.roles


class Caller(Protocol):
    """What an assertion contains about the caller. An Identity is one, and so are the claims of an access token."""

    @property
    def subject(self) -> str:
        """Return the user's id."""

    @property
    def session(self) -> str:
        """Return the session id (`sid`)."""

    @property
    def email(self) -> str:
        """Return the e-mail address."""

    @property
    def roles(self) -> tuple[str, ...]:
        """Return the roles."""


def sign(caller: Caller, *, signer: AssertionSigner, audience: str, now: float, lifetime: int = MAX_AGE) -> str:
    """Return an assertion of `caller` for the service `audience`, valid for `lifetime` seconds from `now`.

    `now` is in seconds since the epoch. Raises ValueError unless `lifetime` is from 1 to 60.
    """
    if not 0 < lifetime <= MAX_AGE:
        raise ValueError(f"lifetime must be from 1 to {MAX_AGE} seconds, not {lifetime}")
    # All claims are numbers or strings, so that other proxies can copy them into headers. A template takes 1 us, a
    # JSON encoder 5 us.
    quoted = encode_basestring_ascii
    claims = (
        f'{_prefix(audience, int(now), lifetime)},"sub":{quoted(caller.subject)},"sid":{quoted(caller.session)},'
        f'"email":{quoted(caller.email)},"roles":{quoted(" ".join(caller.roles))}}}'
    )
    return sign_payload(claims, header=_HEADERS[signer.algorithm], sign=signer.sign)


@lru_cache(64)  # the same for all assertions of a second: 0.2 us less
def _prefix(audience: str, issued_at: int, lifetime: int) -> str:
    expires_at = issued_at + lifetime
    quoted = encode_basestring_ascii(audience)
    return f'{{"ver":{VERSION},"iss":"{ISSUER}","aud":{quoted},"iat":{issued_at},"exp":{expires_at}'


def verify(assertion: str, *, verifier: AssertionVerifier, audience: str, now: float) -> Identity:
    """Return the identity in `assertion`, which must be for the service `audience`.

    `now` is in seconds since the epoch. Raises InvalidToken, also if `iat` is 60 seconds ago or more.
    """
    claims = read_claims(parse_jws(assertion), typ=IDENTITY_TYP, algorithm=verifier.algorithm, key=verifier.key)
    if claims.get("ver") != VERSION:
        raise InvalidToken("Assertion has an unknown version")
    check_registered_claims(claims, issuer=ISSUER, audiences={audience}, now=now)
    # Without leeway, because none is needed: the gateway sends an assertion for at most 30 s
    # (gateway/pipeline/identity_headers.py), and 30 s and 10 s of clock skew are below 60 s.
    if now >= claims["iat"] + MAX_AGE:
        raise InvalidToken("Assertion is too old")
    return Identity(
        subject=text_claim(claims, "sub"),
        session=text_claim(claims, "sid"),
        email=text_claim(claims, "email"),
        roles=tuple(text_claim(claims, "roles", may_be_empty=True).split()),
    )
