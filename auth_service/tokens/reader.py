"""Verify access and refresh tokens and read their claims.

Each kind has its own `typ`, key and audience. The error texts are those of djoser, because clients know them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from auth_service.tokens.signing_keys import KeyRing, VerificationKey
from chassis.clock import Clock
from chassis.secret_rotation.watched_secret import Secrets, WatchedSecret, verify_with
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
    read_access_claims,
    text_claim,
)
from contract.jws import CompactJws, parse_jws, read_claims

REFRESH_ALGORITHM = "HS256"
"""The algorithm of refresh tokens. It is symmetric, because only this service signs and verifies them."""

INVALID = "Token is invalid"
WRONG_TYPE = "Token has wrong type"

_REQUIRED = {"exp": "Token has no 'exp' claim", "jti": "Token has no id", "token_type": "Token has no type"}
"""The error texts for missing claims, by the name of the claim."""


class UnidentifiedUser(InvalidToken):
    """The token has a valid signature but names no user."""

    def __init__(self) -> None:
        super().__init__("Token contained no recognizable user identification")


class UsedOrEndedToken(InvalidToken):
    """The token's session has ended, or it is a used refresh token that is no longer valid."""

    def __init__(self) -> None:
        super().__init__("Token is blacklisted")


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    """The claims of a verified refresh token. `issued_at` is in seconds since the epoch."""

    subject: UUID
    session: str
    generation: int
    issued_at: int


class TokenReader:
    """Verifies access tokens with the key ring and refresh tokens with their secrets."""

    def __init__(
        self, keys: WatchedSecret[KeyRing], refresh_secrets: Secrets, *, issuer: str, audience: str, clock: Clock
    ) -> None:
        self._keys = keys
        self._refresh_secrets = refresh_secrets
        self._issuer = issuer
        self._audience = audience
        self._clock = clock

    def read_access(self, token: str) -> AccessClaims:
        """Return the claims of an access token. Raises InvalidToken or a subclass."""
        typ, claims = self._verified(token)
        return self._access_claims(typ, claims)

    def read_refresh(self, token: str) -> RefreshClaims:
        """Return the claims of a refresh token. Raises InvalidToken or a subclass."""
        typ, claims = self._verified(token)
        return self._refresh_claims(typ, claims)

    def read(self, token: str) -> AccessClaims | RefreshClaims:
        """Return the claims of a token of either kind. Raises InvalidToken or a subclass."""
        typ, claims = self._verified(token)
        if typ == ACCESS_TYP:
            return self._access_claims(typ, claims)
        return self._refresh_claims(typ, claims)

    def _verified(self, token: str) -> tuple[str, dict[str, Any]]:
        """Verify the signature with the key and algorithm of the token's `typ`; return the `typ` and the claims."""
        try:
            jws = parse_jws(token)
            if jws.header.type == REFRESH_TYP:
                return REFRESH_TYP, verify_with(self._refresh_secrets, partial(_refresh_claims_of, jws))
            key = self._find_key(jws.header.key_id or "")
            if key is None:
                raise InvalidToken(INVALID)
            return ACCESS_TYP, read_claims(jws, typ=ACCESS_TYP, algorithm=key.algorithm, key=key.key)
        except InvalidToken as error:
            raise InvalidToken(INVALID) from error

    def _find_key(self, kid: str) -> VerificationKey | None:
        ring = self._keys.current()
        # Another process may have read a new key less than a second ago, and signed with it.
        if kid not in ring.verifying and self._keys.has_changed_since(ring):
            ring = self._keys.current()
        return ring.verifying.get(kid)

    def _access_claims(self, typ: str, claims: Mapping[str, Any]) -> AccessClaims:
        _check_kind(typ, claims, ACCESS_TYP, ACCESS)
        if "sub" not in claims or "user_id" not in claims:
            raise UnidentifiedUser
        try:
            # No leeway for `exp`, as in djoser. `iat` has leeway, because another machine may have set it.
            return read_access_claims(
                claims, issuer=self._issuer, audience=self._audience, now=self._clock(), exp_leeway=0
            )
        except ExpiredToken:
            raise
        except InvalidToken as error:
            raise InvalidToken(INVALID) from error

    def _refresh_claims(self, typ: str, claims: Mapping[str, Any]) -> RefreshClaims:
        _check_kind(typ, claims, REFRESH_TYP, REFRESH)
        if "sub" not in claims:
            raise UnidentifiedUser
        try:
            check_registered_claims(
                claims, issuer=self._issuer, audiences={REFRESH_AUDIENCE}, now=self._clock(), exp_leeway=0
            )
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


def _refresh_claims_of(jws: CompactJws, secret: str) -> dict[str, Any]:
    return read_claims(jws, typ=REFRESH_TYP, algorithm=REFRESH_ALGORITHM, key=secret.encode())


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
