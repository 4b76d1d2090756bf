"""Verify one identity assertion: a JWT with `typ` identity+jwt, signed by the gateway for one service.

PyJWT computes the signature. Its parser and its checks of claims are not used, because they are more lenient: they
skip characters that are not base64url, and accept repeated names in JSON objects and times that are strings.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sallyport_service.identity import Identity
from sallyport_service.keys import VerificationKey

TYP = "identity+jwt"
ISSUER = "sallyport-gateway"
VERSION = 1
"""The claim `ver`: the version of the claims. Every other version is rejected."""
MAX_AGE = 60
"""Maximum age of an assertion in seconds, even if its `exp` is later."""
LEEWAY = 10
"""Tolerated clock skew in seconds between the gateway and the service, for `exp`, `iat` and `nbf`."""
MAX_LENGTH = 8192
"""Characters. A longer assertion is rejected before its signature is verified."""


class InvalidAssertion(Exception):
    """The assertion is rejected. `reason` is a short text for logs; it never contains the assertion."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BadSignature(InvalidAssertion):
    """The signature is not that of the key. Another key may verify it."""

    def __init__(self) -> None:
        super().__init__("Token has a bad signature")


def verify(assertion: str, *, key: VerificationKey, audience: str, now: float) -> Identity:
    """Return the identity in `assertion`, which must be for the service `audience`.

    `now` is in seconds since the epoch. Raises InvalidAssertion.
    """
    claims = _signed_claims(assertion, key)
    if claims.get("ver") != VERSION:
        raise InvalidAssertion("Assertion has an unknown version")
    _check_registered_claims(claims, audience, now)
    # Without leeway, because none is needed: the gateway sends an assertion for at most 30 seconds. With 10 seconds
    # of clock skew it is then at most 40 seconds old.
    if now >= claims["iat"] + MAX_AGE:
        raise InvalidAssertion("Assertion is too old")
    return Identity(
        subject=_text_claim(claims, "sub"),
        session=_text_claim(claims, "sid"),
        email=_text_claim(claims, "email"),
        roles=tuple(_text_claim(claims, "roles", may_be_empty=True).split()),
        claims=_extra_claims(claims),
    )


def _signed_claims(assertion: str, key: VerificationKey) -> Mapping[str, Any]:
    parts = assertion.split(".") if len(assertion) <= MAX_LENGTH else ()
    if len(parts) != 3:  # RFC 7515 7.1
        raise InvalidAssertion("Token is malformed")
    algorithm, payload, signature = _algorithm_of(parts[0]), _decoded(parts[1]), _decoded(parts[2])
    # RFC 8725 3.1: the key determines the algorithm, not the assertion.
    if algorithm != key.algorithm or not key.is_signed(f"{parts[0]}.{parts[1]}".encode(), signature):
        raise BadSignature
    return _object(payload)


@lru_cache(64)  # all assertions of one gateway have the same header
def _algorithm_of(header_part: str) -> object:
    """Return the `alg` of a header, which is not verified and may have any type. Raises InvalidAssertion."""
    header = _object(_decoded(header_part))
    if not isinstance(header.get("kid", ""), str):
        raise InvalidAssertion("Token is malformed")
    # RFC 7515 4.1.11: an unknown extension in `crit` is an error. RFC 7797 7: a JWT must not have `b64`.
    if header.get("typ") != TYP or "crit" in header or "b64" in header:
        raise InvalidAssertion("Token has wrong type")
    return header.get("alg")


def _decoded(part: str) -> bytes:
    """Return the bytes of a base64url part. Raises InvalidAssertion unless it is canonical (RFC 4648 3.5)."""
    try:
        decoded = urlsafe_b64decode(part + "==")
    except ValueError as error:
        raise InvalidAssertion("Token is malformed") from error
    # The decoder skips letters outside its alphabet, and ignores the unused bits of the last letter.
    if not decoded or urlsafe_b64encode(decoded).rstrip(b"=").decode() != part:
        raise InvalidAssertion("Token is malformed")
    return decoded


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise InvalidAssertion("Token is malformed") from error
    if not isinstance(value, dict):
        raise InvalidAssertion("Token is malformed")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):  # RFC 7515 4, RFC 7519 4: two parsers could read different values
        raise ValueError("duplicate member")
    return members


def _check_registered_claims(claims: Mapping[str, Any], audience: str, now: float) -> None:
    """Check exp, iat, nbf, iss and aud. RFC 7519 4.1."""
    expires_at, issued_at = _time_claim(claims, "exp"), _time_claim(claims, "iat")
    if now >= expires_at + LEEWAY:
        raise InvalidAssertion("Token is expired")
    if issued_at > now + LEEWAY:
        raise InvalidAssertion("Token was issued in the future")
    if "nbf" in claims and _time_claim(claims, "nbf") > now + LEEWAY:
        raise InvalidAssertion("Token is not valid yet")
    if claims.get("iss") != ISSUER:
        raise InvalidAssertion("Token has another issuer")
    if claims.get("aud") != audience:
        raise InvalidAssertion("Token is for another audience")


def _time_claim(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        raise InvalidAssertion(f"Token has no {name!r} claim")
    return value


def _extra_claims(claims: Mapping[str, Any]) -> Mapping[str, Any]:
    extra = claims.get("claims", {})
    if not isinstance(extra, dict):
        raise InvalidAssertion("Token has no usable 'claims' claim")
    return extra


def _text_claim(claims: Mapping[str, Any], name: str, *, may_be_empty: bool = False) -> str:
    """Return a claim without control characters, so that it can be logged and sent in header fields."""
    value = claims.get(name)
    if not isinstance(value, str) or not (value or may_be_empty) or not value.isprintable():
        raise InvalidAssertion(f"Token has no usable {name!r} claim")
    return value
