"""Token claims: names, `typ` values, audiences, and the checks that every verifier shares.

Times are seconds since the epoch. Access tokens, refresh tokens, identity assertions and peer tokens differ in `typ`
and audience, so that no verifier accepts a token of another kind (RFC 8725 3.11, 3.12).
"""

import json
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

ACCESS_TYP = "at+jwt"  # RFC 9068 2.1
REFRESH_TYP = "refresh+jwt"
IDENTITY_TYP = "identity+jwt"

ACCESS = "access"
REFRESH = "refresh"
"""Values of the claim `token_type`."""

DEFAULT_ISSUER = "sallyport"
DEFAULT_ACCESS_AUDIENCE = "sallyport-api"
REFRESH_AUDIENCE = "sallyport-refresh"

LEEWAY = 10
"""Tolerated clock skew between two machines in seconds. RFC 7519 4.1.4 does not specify a value."""
LONGEST_ACCESS_LIFETIME = 86_400
"""Maximum of the setting ACCESS_TOKEN_LIFETIME, in seconds."""

MAX_TOKEN_LENGTH = 8192
"""Characters. A longer token is rejected before its signature is verified."""

ACCESS_CLAIMS = (
    *("token_type", "iss", "sub", "user_id", "sid", "generation"),
    *("aud", "iat", "exp", "jti", "email", "roles"),
)
"""The claims of an access token, in the order in which the auth service writes them, after those of a claims hook.

The edge (docs/edge.md) reads tokens with claims in this order only, and leaves others to the gateway.
"""

RESERVED_CLAIMS = frozenset(
    {
        # RFC 7519 4.1, RFC 7800, RFC 8693, RFC 9068 2.2, OpenID Connect Core 2
        *("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "act", "may_act", "scope", "client_id"),
        *("auth_time", "acr", "amr", "azp", "nonce"),
        # ours
        *("token_type", "user_id", "sid", "generation", "email", "roles", "ver", "claims"),
    }
)
"""Names that a claims hook must not use."""
MAX_EXTRA_CLAIMS = 2_048
"""Bytes of JSON of the claims that a claims hook adds. MAX_TOKEN_LENGTH and header fields leave room for them."""

_NUMBER = (int, float)

_ACCESS_TEXTS = itemgetter("sub", "sid", "jti", "email", "roles")


class InvalidToken(Exception):
    """The token is rejected. `reason` is a short text for logs and clients; it never contains the token."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ExpiredToken(InvalidToken):
    """The token has expired: `exp` plus the leeway has passed."""

    def __init__(self) -> None:
        super().__init__("Token is expired")


class AccessClaims(NamedTuple):
    """The claims of a verified access token (RFC 9068 2.2). `session` is the session id (`sid`).

    A named tuple, because creating a frozen dataclass takes three times as long.
    """

    subject: str
    session: str
    generation: int
    jti: str
    email: str
    roles: tuple[str, ...]
    issued_at: int
    expires_at: int
    extra: str = ""
    """The claims of the claims hook that services receive, as a JSON object; empty without any."""

    def is_expired(self, now: float, leeway: float = 0) -> bool:
        """Return whether `exp` plus `leeway` seconds has passed at `now`."""
        return now >= self.expires_at + leeway


def read_access_claims(
    claims: Mapping[str, Any],
    *,
    issuer: str,
    audience: str,
    now: float,
    leeway: float = LEEWAY,
    exp_leeway: float = LEEWAY,
    extra: Sequence[str] = (),
) -> AccessClaims:
    """Return the claims of an access token whose signature and `typ` are already verified.

    `extra` names the claims of the claims hook to keep. `leeway` and `exp_leeway` are in seconds, see
    check_registered_claims. Raises ExpiredToken. Raises InvalidToken if a claim is missing or malformed, or has
    another issuer, audience or type. RFC 9068 4.
    """
    if claims.get("token_type") != ACCESS:
        raise InvalidToken("Token has wrong type")
    check_registered_claims(
        claims, issuer=issuer, audiences=(audience,), now=now, leeway=leeway, exp_leeway=exp_leeway
    )
    subject, session, generation, jti, email, roles = _text_and_generation(claims)
    return AccessClaims(
        subject,
        session,
        generation,
        jti,
        email,
        _split_roles(roles),
        int(claims["iat"]),
        int(claims["exp"]),
        _extra_claims(claims, extra) if extra else "",
    )


def _extra_claims(claims: Mapping[str, Any], names: Sequence[str]) -> str:
    found = {name: claims[name] for name in names if name in claims}
    return json.dumps(found, separators=(",", ":")) if found else ""


def _text_and_generation(claims: Mapping[str, Any]) -> tuple[str, str, int, str, str, str]:
    """Return sub, sid, generation, jti, email and roles. Raises InvalidToken for the first one that is unusable."""
    try:
        subject, session, jti, email, roles = _ACCESS_TEXTS(claims)
        # One call of isprintable for all, and five calls of text_claim only to find the unusable one: 0.5 us less.
        if subject and session and jti and email and "".join((subject, session, jti, email, roles)).isprintable():
            return subject, session, _generation_claim(claims), jti, email, roles
    except (KeyError, TypeError):  # a claim is missing or not a string
        pass
    return (
        text_claim(claims, "sub"),
        text_claim(claims, "sid"),
        _generation_claim(claims),
        text_claim(claims, "jti"),
        text_claim(claims, "email"),
        text_claim(claims, "roles", may_be_empty=True),
    )


@lru_cache(1_024)
def _split_roles(text: str) -> tuple[str, ...]:
    """Return the roles in a claim. Tokens with the same roles share one tuple, which saves 200 bytes a token."""
    return tuple(text.split())


def check_registered_claims(
    claims: Mapping[str, Any],
    *,
    issuer: str,
    audiences: Collection[str],
    now: float,
    leeway: float = LEEWAY,
    exp_leeway: float = LEEWAY,
) -> None:
    """Check exp, iat, nbf, iss and aud. RFC 7519 4.1.

    `leeway` is the tolerated clock skew in seconds for iat and nbf, `exp_leeway` that for exp. The auth service uses
    an `exp_leeway` of 0, because it issued the tokens by its own clock.

    Raises ExpiredToken or InvalidToken.
    """
    expires_at = _time_claim(claims, "exp")
    issued_at = _time_claim(claims, "iat")
    if now >= expires_at + exp_leeway:
        raise ExpiredToken
    if issued_at > now + leeway:
        raise InvalidToken("Token was issued in the future")
    if "nbf" in claims and _time_claim(claims, "nbf") > now + leeway:
        raise InvalidToken("Token is not valid yet")
    if claims.get("iss") != issuer:
        raise InvalidToken("Token has another issuer")
    # RFC 7519 allows an array in `aud`. Our tokens have one string, so anything else is rejected.
    audience = claims.get("aud")
    if not isinstance(audience, str) or audience not in audiences:
        raise InvalidToken("Token is for another audience")


def text_claim(claims: Mapping[str, Any], name: str, *, may_be_empty: bool = False) -> str:
    """Return the claim `name`. Raises InvalidToken unless it is a nonempty string of printable characters."""
    value = claims.get(name)
    if not isinstance(value, str) or not (value or may_be_empty) or not value.isprintable():
        raise InvalidToken(f"Token has no usable {name!r} claim")
    return value


def _time_claim(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, _NUMBER) or not 0 <= value < 2**53:
        raise InvalidToken(f"Token has no {name!r} claim")
    return value


def _generation_claim(claims: Mapping[str, Any]) -> int:
    value = claims.get("generation")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise InvalidToken("Token has no usable 'generation' claim")
    return value
