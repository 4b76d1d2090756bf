"""Sign access tokens, valid and forged, and build the JWKS, as the auth service does."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from contract.claims import ACCESS_TYP, DEFAULT_ACCESS_AUDIENCE, DEFAULT_ISSUER, LEEWAY, AccessClaims

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

IDENTITY_SECRET = "pR7vXq2LmZ9tBw4KcYd8NsHf3GjTe6UaQx1WoIy5"
PEER_SECRET = "hV3nKz8QwMb5RtXc2YfLs9DgJp6ThUa4EoIx7WyB"

LIFETIME = 300
"""Lifetime of the tokens of `access_claims`, in seconds."""

PAST_EXPIRY = LIFETIME + LEEWAY + 1
"""Seconds after which a gateway refuses such a token and closes its streams."""

Claims = dict[str, Any]


class SigningKey:
    """A private key and its `kid`; the kind of key determines the algorithm."""

    def __init__(self, kid: str = "k1", key: PrivateKey | None = None) -> None:
        self.kid = kid
        self.key = key or rsa.generate_private_key(public_exponent=65_537, key_size=2048)

    @property
    def algorithm(self) -> str:
        """The `alg` of this key's tokens."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            return "RS256"
        return "ES256" if isinstance(self.key, ec.EllipticCurvePrivateKey) else "EdDSA"

    @property
    def jwk(self) -> Claims:
        """The public key as a JWKS entry."""
        return {**_public_members(self.key), "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def sign(self, claims: Mapping[str, object], **header: object) -> str:
        """Return a token with `claims`. `header` overrides header members; None removes one."""
        members = {"typ": ACCESS_TYP, "kid": self.kid, **header}
        kept = {name: value for name, value in members.items() if value is not None}
        return jwt.encode(dict(claims), self.key, algorithm=self.algorithm, headers=kept)


def access_claims(now: float, **changed: object) -> Claims:
    """Return the claims of a valid access token. `changed` overrides claims; None removes one."""
    claims: Claims = {
        "token_type": "access",
        "iss": DEFAULT_ISSUER,
        "sub": "ada-id",
        "user_id": "ada-id",
        "sid": "ada-session",
        "generation": 3,
        "aud": DEFAULT_ACCESS_AUDIENCE,
        "iat": int(now),
        "exp": int(now) + LIFETIME,
        "jti": "0123456789abcdef0123456789abcdef",
        "email": "ada@example.org",
        "roles": "user staff",
        **changed,
    }
    return {name: value for name, value in claims.items() if value is not None}


def read_claims(**changed: Any) -> AccessClaims:
    """Return claims as the token verifier returns them; `changed` overrides members."""
    known: dict[str, Any] = {
        "subject": "ada-id",
        "session": "ada-session",
        "generation": 3,
        "jti": "jti-1",
        "email": "ada@example.org",
        "roles": ("user", "staff"),
        "issued_at": 1_800_000_000,
        "expires_at": 1_800_000_300,
    }
    return AccessClaims(**{**known, **changed})


def jwks(*keys: SigningKey) -> bytes:
    """Return the JWKS document with the public `keys`."""
    return json.dumps({"keys": [key.jwk for key in keys]}).encode()


def by_hand(header: object, payload: object, signature: bytes = b"") -> str:
    """Return a token built without a library; parts that are not bytes are written as JSON."""
    return ".".join(_part(part) for part in (header, payload, signature))


def _part(part: object) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _public_members(key: PrivateKey) -> Claims:
    if isinstance(key, rsa.RSAPrivateKey):
        return RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
