"""Forge tokens: change claims and headers, and sign with the keys of the service or with others."""

import base64
import hmac
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a token without verifying it."""
    return dict(jwt.decode(token, options={"verify_signature": False}))


def header_of(token: str) -> dict[str, Any]:
    """Return the header of a token without verifying it."""
    return dict(jwt.get_unverified_header(token))


@dataclass(frozen=True)
class Forge:
    """Forges tokens with the keys of the service: RS256 for access tokens, HS256 for refresh tokens."""

    signing_pem: str
    refresh_secret: str

    def alter(
        self, token: str, *, drop: Collection[str] = (), header: Mapping[str, Any] | None = None, **claims: Any
    ) -> str:
        """Return `token` with changed claims and headers, without the claims `drop`, and with a valid signature."""
        changed = {name: value for name, value in claims_of(token).items() if name not in drop} | claims
        headers = header_of(token) | dict(header or {})
        if headers["typ"] == "refresh+jwt":
            return self.sign(changed, headers, self.refresh_secret, "HS256")
        return self.sign(changed, headers, _private_key(self.signing_pem), "RS256")

    def with_algorithm(self, token: str, algorithm: str) -> str:
        """Return `token` signed with the refresh secret and another HMAC, or with a dummy signature for `none`."""
        headers = header_of(token) | {"alg": algorithm}
        parts = [_encode(json.dumps(part).encode()) for part in (headers, claims_of(token))]
        if algorithm == "none":
            return ".".join([*parts, "AA"])
        # Without PyJWT, which refuses a secret that is shorter than the hash.
        digest = algorithm.replace("HS", "sha")
        signature = hmac.digest(self.refresh_secret.encode(), ".".join(parts).encode(), digest)
        return ".".join([*parts, _encode(signature)])

    def sign_raw(self, header: str, claims: str) -> str:
        """Return an access token with these JSON texts as header and claims, and with a valid signature."""
        signing_input = f"{_encode(header.encode())}.{_encode(claims.encode())}"
        signature = _private_key(self.signing_pem).sign(signing_input.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signing_input}.{_encode(signature)}"

    def with_bad_signature(self, token: str) -> str:
        """Return `token` with an invalid signature."""
        head, _, signature = token.rpartition(".")
        return f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"

    def sign(self, claims: Mapping[str, Any], headers: Mapping[str, Any], key: Any, algorithm: str) -> str:
        """Return a token with these claims and headers, signed with `key`."""
        return jwt.encode(dict(claims), key, algorithm=algorithm, headers=dict(headers))


@cache
def _private_key(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
