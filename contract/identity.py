"""The identity assertion: a JWT in one header that tells a service who is calling.

The gateway signs it for one service, with a secret that only the two share. A service takes everything it knows
about a caller from the verified claims; in Python, the package sallyport_service verifies them.
"""

from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Protocol

from contract.claims import IDENTITY_TYP
from contract.jws import encoded_header, sign_payload
from contract.keys import AssertionSigner

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


def header_of(algorithm: str) -> str:
    """Return the header of assertions that are signed with `algorithm`: the first part of the token."""
    return _HEADERS[algorithm]


class Caller(Protocol):
    """What an assertion contains about the caller. The claims of an access token are one."""

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


def sign(
    caller: Caller,
    *,
    signer: AssertionSigner,
    audience: str,
    now: float,
    lifetime: int = MAX_AGE,
    extra: str = "",
) -> str:
    """Return an assertion of `caller` for the service `audience`, valid for `lifetime` seconds from `now`.

    `now` is in seconds since the epoch. `extra` is a JSON object, the claim `claims`. Raises ValueError unless
    `lifetime` is from 1 to 60.
    """
    if not 0 < lifetime <= MAX_AGE:
        raise ValueError(f"lifetime must be from 1 to {MAX_AGE} seconds, not {lifetime}")
    # All claims but `claims` are numbers or strings, so that other proxies can copy them into headers. A template
    # takes 1 us, a JSON encoder 5 us.
    quoted = encode_basestring_ascii
    claims = (
        f'{_prefix(audience, int(now), lifetime)},"sub":{quoted(caller.subject)},"sid":{quoted(caller.session)},'
        f'"email":{quoted(caller.email)},"roles":{quoted(" ".join(caller.roles))}'
        f"{_extra_member(extra) if extra else ''}}}"
    )
    return sign_payload(claims, header=_HEADERS[signer.algorithm], sign=signer.sign)


def _extra_member(extra: str) -> str:
    return f',"claims":{extra}'


@lru_cache(64)  # the same for all assertions of a second: 0.2 us less
def _prefix(audience: str, issued_at: int, lifetime: int) -> str:
    expires_at = issued_at + lifetime
    quoted = encode_basestring_ascii(audience)
    return f'{{"ver":{VERSION},"iss":"{ISSUER}","aud":{quoted},"iat":{issued_at},"exp":{expires_at}'
