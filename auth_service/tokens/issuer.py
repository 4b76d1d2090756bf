"""The issuer of access and refresh tokens.

Refresh tokens are computed from the session's row and not stored. Under the same settings and secret, every call
for the same generation returns the same bytes.
"""

import hashlib
import hmac
import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Protocol

from auth_service.sessions.store import Session
from auth_service.tokens.reader import REFRESH_ALGORITHM
from auth_service.tokens.signing_keys import SigningKey
from contract.claims import ACCESS, ACCESS_TYP, REFRESH, REFRESH_AUDIENCE, REFRESH_TYP
from contract.jws import encoded_header, sign_claims

_REFRESH_HEADER = encoded_header(typ=REFRESH_TYP, algorithm=REFRESH_ALGORITHM)


ExtraClaims = Mapping[str, Any]
"""The claims that a claims hook adds. No name is one of contract.claims.RESERVED_CLAIMS."""
NO_CLAIMS: ExtraClaims = MappingProxyType({})


@dataclass(frozen=True, slots=True, repr=False)
class TokenPair:
    """The tokens that a log-in or a refresh returns."""

    access: str
    refresh: str


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Lifetimes of tokens in seconds. The lifetime of a refresh token begins with its rotation.

    `jitter` is the fraction by which an access token's lifetime may be shortened.
    """

    access: int
    refresh: int
    jitter: float = 0.0


class TokenUser(Protocol):
    """What a token contains about its user."""

    @property
    def email(self) -> str:
        """Return the e-mail address as it was entered."""

    @property
    def roles(self) -> str:
        """Return the roles, separated by spaces."""


class Issuer:
    """Signs access tokens with the signing key, and refresh tokens with a secret that only this service has.

    `key` and `refresh_secret` return those that sign now.
    """

    def __init__(
        self,
        key: Callable[[], SigningKey],
        refresh_secret: Callable[[], bytes],
        *,
        issuer: str,
        audience: str,
        lifetimes: Lifetimes,
    ) -> None:
        self._key = key
        self._refresh_secret = refresh_secret
        self._issuer = issuer
        self._audience = audience
        self._lifetimes = lifetimes

    def pair(self, user: TokenUser, session: Session, now: float, extra: ExtraClaims = NO_CLAIMS) -> TokenPair:
        """Return a new access token and the refresh token of the session's generation.

        `extra` are claims of the access token.
        """
        return TokenPair(self.access(user, session, now, extra), self._refresh_token(session))

    def pseudonym(self, name: str) -> str:
        """Return a keyed hash of `name`: 32 hexadecimal digits that do not reveal it."""
        return self._keyed_hash(f"pseudonym {name}")

    def access(self, user: TokenUser, session: Session, now: float, extra: ExtraClaims = NO_CLAIMS) -> str:
        """Return a new access token. Jitter shortens its lifetime, so that not all tokens expire at once."""
        expires_at = min(int(now) + self._access_lifetime(session), int(session.state.expires_at))
        return self._access(user, session, now, expires_at, extra)

    def access_until_end(self, user: TokenUser, session: Session, now: float, extra: ExtraClaims = NO_CLAIMS) -> str:
        """Return a new access token that expires when the session ends."""
        return self._access(user, session, now, int(session.state.expires_at), extra)

    def _access(self, user: TokenUser, session: Session, now: float, expires_at: int, extra: ExtraClaims) -> str:
        claims = {
            **extra,
            **self._common_claims(session, ACCESS),
            "aud": self._audience,
            "iat": int(now),
            "exp": expires_at,
            "jti": secrets.token_hex(16),
            "email": user.email,
            "roles": user.roles,
        }
        key = self._key()
        algorithm = key.public.algorithm
        header = _access_header(algorithm, key.public.kid)
        return sign_claims(claims, header=header, algorithm=algorithm, key=key.private_key)

    def _access_lifetime(self, session: Session) -> int:
        # Computed from the row, so that a refresh that is repeated returns the same lifetime.
        name = f"access lifetime {session.sid} {session.state.generation}".encode()
        fraction = int.from_bytes(hashlib.sha256(name).digest()[:4]) / 2**32
        # Rounded up, so that the lifetime is not shortened by more than `jitter`.
        return math.ceil(self._lifetimes.access * (1 - self._lifetimes.jitter * fraction))

    def _refresh_token(self, session: Session) -> str:
        claims = {
            **self._common_claims(session, REFRESH),
            "aud": REFRESH_AUDIENCE,
            "iat": int(session.state.rotated_at),
            "exp": int(session.state.tokens_expire_at(self._lifetimes.refresh)),
            "jti": self._refresh_jti(session),
        }
        return sign_claims(claims, header=_REFRESH_HEADER, algorithm=REFRESH_ALGORITHM, key=self._refresh_secret())

    def _common_claims(self, session: Session, token_type: str) -> dict[str, Any]:
        # `sub` is RFC 7519's claim for the subject. `user_id` is simplejwt's, for clients written for djoser.
        subject = str(session.user_id)
        return {
            "token_type": token_type,
            "iss": self._issuer,
            "sub": subject,
            "user_id": subject,
            "sid": session.sid,
            "generation": session.state.generation,
        }

    def _refresh_jti(self, session: Session) -> str:
        return self._keyed_hash(f"refresh jti {session.sid} {session.state.generation}")

    def _keyed_hash(self, name: str) -> str:
        return hmac.digest(self._refresh_secret(), name.encode(), "sha256").hex()[:32]


@lru_cache(4)
def _access_header(algorithm: str, kid: str) -> str:
    return encoded_header(typ=ACCESS_TYP, algorithm=algorithm, key_id=kid)
