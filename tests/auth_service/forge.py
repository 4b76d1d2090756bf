"""Makes tokens that the service would never hand out, with the service's own keys or with others."""

import base64
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
    """What a token says, unverified."""
    return dict(jwt.decode(token, options={"verify_signature": False}))


def header_of(token: str) -> dict[str, Any]:
    """What a token says of itself, unverified."""
    return dict(jwt.get_unverified_header(token))


@dataclass(frozen=True)
class Forge:
    """Signs again, after changes, with the keys that the service uses (an RSA one for access tokens)."""

    signing_pem: str
    refresh_secret: str

    def alter(
        self, token: str, *, drop: Collection[str] = (), header: Mapping[str, Any] | None = None, **claims: Any
    ) -> str:
        """`token` with other claims and headers, well signed."""
        changed = {name: value for name, value in claims_of(token).items() if name not in drop} | claims
        headers = header_of(token) | dict(header or {})
        if headers["typ"] == "refresh+jwt":
            return self.sign(changed, headers, self.refresh_secret, "HS256")
        return self.sign(changed, headers, _private_key(self.signing_pem), "RS256")

    def with_algorithm(self, token: str, algorithm: str) -> str:
        """`token` signed by another algorithm with what is publicly known, or with nothing at all."""
        headers = header_of(token) | {"alg": algorithm}
        parts = [_encode(json.dumps(part).encode()) for part in (headers, claims_of(token))]
        if algorithm == "none":
            return ".".join([*parts, "AA"])
        return self.sign(claims_of(token), headers, self.refresh_secret * 2, algorithm)

    def sign_raw(self, header: str, claims: str) -> str:
        """An access token of these two JSON texts, well signed."""
        signed = f"{_encode(header.encode())}.{_encode(claims.encode())}"
        signature = _private_key(self.signing_pem).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encode(signature)}"

    def with_bad_signature(self, token: str) -> str:
        """`token` with a signature that belongs to nothing."""
        head, _, signature = token.rpartition(".")
        return f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"

    def sign(self, claims: Mapping[str, Any], headers: Mapping[str, Any], key: Any, algorithm: str) -> str:
        """Any claims under any key."""
        return jwt.encode(dict(claims), key, algorithm=algorithm, headers=dict(headers))


@cache
def _private_key(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
