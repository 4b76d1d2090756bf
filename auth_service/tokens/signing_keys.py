"""The keys of access tokens: the signing key, the verification keys, and the JWK set that publishes them.

The key type determines the algorithm, so no key is ever used with another algorithm (RFC 8725 3.1).
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from contract.keys import UnusableKey
from contract.secret_list import split_secrets

MIN_RSA_BITS = 2048
"""RFC 7518 3.3."""

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey
PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

# RFC 7638 3.2: the members of a JWK that its thumbprint covers.
_THUMBPRINT_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}


@dataclass(frozen=True, slots=True, repr=False)
class VerificationKey:
    """A public key with its `kid` (RFC 7638 thumbprint), its only algorithm and its JWK."""

    kid: str
    algorithm: str
    key: PublicKey
    jwk: Mapping[str, str]


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """A private key with its public key."""

    private_key: PrivateKey
    public: VerificationKey


@dataclass(frozen=True, slots=True, repr=False)
class KeyRing:
    """The signing key, and the verification keys by their `kid`."""

    signing: SigningKey
    verifying: Mapping[str, VerificationKey]

    def to_jwk_set(self) -> dict[str, list[dict[str, str]]]:
        """Return the JWK set (RFC 7517 section 5), the signing key first."""
        return {"keys": [dict(key.jwk) for key in self.verifying.values()]}


def load_key_ring(signing_pem: str, previous_pem: str | None) -> KeyRing:
    """Load the signing key and, during a key rotation, the next or the previous key. Raises UnusableKey.

    The first key in `signing_pem` signs. Another one after it, or in `previous_pem`, verifies tokens.
    """
    first, *others = split_secrets(signing_pem)
    signing = load_signing_key(first)
    verifying = {signing.public.kid: signing.public}
    for pem in (*others, *([previous_pem] if previous_pem else [])):
        key = load_verification_key(pem)
        verifying.setdefault(key.kid, key)
    return KeyRing(signing, verifying)


# Cached, because loading an RSA key takes 50 ms and the settings load it once for their check.
@lru_cache(maxsize=8)
def load_signing_key(pem: str) -> SigningKey:
    """Load a private key from PEM: RSA of 2048 bits or more, P-256 or Ed25519. Raises UnusableKey."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKey("is not a readable private key in PEM form") from error
    if not isinstance(key, PrivateKey):
        raise UnusableKey("is neither an RSA, a P-256 nor an Ed25519 key")
    return SigningKey(key, _verification_key(key.public_key()))


def load_verification_key(pem: str) -> VerificationKey:
    """Load a public key from the PEM of a private or a public key. Raises UnusableKey."""
    if "PRIVATE KEY" in pem:
        return load_signing_key(pem).public
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnusableKey("is not a readable key in PEM form") from error
    return _verification_key(key)


def _verification_key(key: object) -> VerificationKey:
    algorithm, members = _algorithm_and_members(key)
    kid = _thumbprint(members)
    jwk = {name: str(members[name]) for name in _THUMBPRINT_MEMBERS[members["kty"]]}
    if not isinstance(key, PublicKey):
        raise TypeError(f"expected a public key, not {type(key).__name__}")
    return VerificationKey(kid, algorithm, key, {**jwk, "kid": kid, "alg": algorithm, "use": "sig"})


def _algorithm_and_members(key: object) -> tuple[str, dict[str, Any]]:
    if isinstance(key, RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            raise UnusableKey(f"is an RSA key of {key.key_size} bits; {MIN_RSA_BITS} or more are needed")
        return "RS256", RSAAlgorithm.to_jwk(key, as_dict=True)
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return "ES256", ECAlgorithm.to_jwk(key, as_dict=True)
    if isinstance(key, Ed25519PublicKey):
        return "EdDSA", OKPAlgorithm.to_jwk(key, as_dict=True)
    raise UnusableKey("is neither an RSA, a P-256 nor an Ed25519 key")


def _thumbprint(members: Mapping[str, Any]) -> str:
    required = {name: members[name] for name in _THUMBPRINT_MEMBERS[members["kty"]]}
    canonical = json.dumps(required, sort_keys=True, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()
