"""Owns what a refresh token says, and how any token of ours is read: every check, in one place.

Each kind has its own `typ`, key and audience. A refusal says little, on purpose, and in the words clients know.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt

from auth_service.jws import SecretSigner
from auth_service.signing_keys import KeyRing, PublicKey
from chassis.clock import Clock
from contract.claims import (
    ACCESS,
    ACCESS_TYP,
    REFRESH,
    REFRESH_AUDIENCE,
    REFRESH_TYP,
    AccessClaims,
    ExpiredToken,
    InvalidToken,
    check_registered_claims,
    is_compact_jws,
    read_access_claims,
    text_claim,
)

INVALID = "Token is invalid"
WRONG_TYPE = "Token has wrong type"

_REQUIRED = {"exp": "Token has no 'exp' claim", "jti": "Token has no id", "token_type": "Token has no type"}


class UnidentifiedUser(InvalidToken):
    """The token is ours, and names nobody."""

    def __init__(self) -> None:
        super().__init__("Token contained no recognizable user identification")


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    """What a verified refresh token says."""

    subject: UUID
    session: str
    generation: int
    issued_at: int


class TokenReader:
    """Verifies access and refresh tokens against the ring of keys and the secret of refresh tokens."""

    def __init__(self, keys: KeyRing, refresh_secret: bytes, *, issuer: str, audience: str, clock: Clock) -> None:
        self._keys = keys
        self._refresh_secret = refresh_secret
        self._refresh_tokens = SecretSigner(refresh_secret, {"typ": REFRESH_TYP})
        self._issuer = issuer
        self._audience = audience
        self._clock = clock

    def read_access(self, token: str) -> AccessClaims:
        """The claims of an access token. Raises InvalidToken or one of its kinds."""
        typ, claims = self._verified(token)
        return self._access_claims(typ, claims)

    def read_refresh(self, token: str) -> RefreshClaims:
        """The claims of a refresh token. Raises InvalidToken or one of its kinds."""
        typ, claims = self._verified(token)
        return self._refresh_claims(typ, claims)

    def read(self, token: str) -> AccessClaims | RefreshClaims:
        """The claims of either kind. Raises InvalidToken or one of its kinds."""
        typ, claims = self._verified(token)
        if typ == ACCESS_TYP:
            return self._access_claims(typ, claims)
        return self._refresh_claims(typ, claims)

    def _verified(self, token: str) -> tuple[str, dict[str, Any]]:
        """The token's `typ` and claims, its signature verified by the one key and algorithm that `typ` allows."""
        if not is_compact_jws(token):
            raise InvalidToken(INVALID)
        try:
            # The usual refresh token is one that we made, and is known as such in a sixth of the library's time.
            typ, claims = REFRESH_TYP, self._refresh_tokens.claims_of_own(token)
            if claims is None:
                typ, claims = self._verified_by_library(token)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise InvalidToken(INVALID) from error
        if not isinstance(claims, dict):
            raise InvalidToken(INVALID)
        return typ, claims

    def _verified_by_library(self, token: str) -> tuple[str, object]:
        key, algorithm = self._key_for(_unverified_header(token))
        # The clock is ours, so PyJWT verifies the signature and the contract's rules check the times.
        decoded = jwt.api_jws.decode_complete(token, key, algorithms=[algorithm])
        return decoded["header"]["typ"], json.loads(decoded["payload"])

    def _key_for(self, header: Mapping[str, Any]) -> tuple[PublicKey | bytes, str]:
        if header.get("typ") == REFRESH_TYP:
            return self._refresh_secret, "HS256"
        kid = header.get("kid")
        key = self._keys.verifying.get(kid) if isinstance(kid, str) else None
        if header.get("typ") != ACCESS_TYP or key is None:
            raise InvalidToken(INVALID)
        return key.key, key.algorithm

    def _access_claims(self, typ: str, claims: Mapping[str, Any]) -> AccessClaims:
        _check_kind(typ, claims, ACCESS_TYP, ACCESS)
        if "sub" not in claims or "user_id" not in claims:
            raise UnidentifiedUser
        try:
            return read_access_claims(claims, issuer=self._issuer, audience=self._audience, now=self._clock())
        except ExpiredToken:
            raise
        except InvalidToken as error:
            raise InvalidToken(INVALID) from error

    def _refresh_claims(self, typ: str, claims: Mapping[str, Any]) -> RefreshClaims:
        _check_kind(typ, claims, REFRESH_TYP, REFRESH)
        if "sub" not in claims:
            raise UnidentifiedUser
        try:
            check_registered_claims(claims, issuer=self._issuer, audiences={REFRESH_AUDIENCE}, now=self._clock())
            return RefreshClaims(
                UUID(text_claim(claims, "sub")),
                text_claim(claims, "sid"),
                _generation(claims),
                int(claims["iat"]),
            )
        except ExpiredToken:
            raise
        except (InvalidToken, ValueError) as error:
            raise InvalidToken(INVALID) from error


def _unverified_header(token: str) -> Mapping[str, Any]:
    """What chooses the key. Everything in it is checked again once that key has verified the token."""
    part = token.split(".", 1)[0]
    header = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    if not isinstance(header, dict):
        raise InvalidToken(INVALID)
    return header


def _check_kind(typ: str, claims: Mapping[str, Any], expected_typ: str, expected_type: str) -> None:
    for name, complaint in _REQUIRED.items():
        if name not in claims:
            raise InvalidToken(complaint)
    if typ != expected_typ or claims["token_type"] != expected_type:
        raise InvalidToken(WRONG_TYPE)


def _generation(claims: Mapping[str, Any]) -> int:
    value = claims.get("generation")
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidToken(INVALID)
    return value
