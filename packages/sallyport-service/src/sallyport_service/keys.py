"""Verification keys: a secret that the service shares with the gateway (HS256), or an Ed25519 public key (EdDSA).

The kind of key determines the algorithm, so that a public key is never used as a shared secret (RFC 8725 3.1).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jwt

MIN_SECRET_LENGTH = 32
"""Bytes. RFC 7518 3.2: an HMAC key is at least as long as the output of its hash, 32 bytes for SHA-256."""

_MIN_DISTINCT = 8
"""Different characters. Of 32 random hexadecimal digits fewer than 8 are different once in 28 million secrets."""
# In lower case. A random base64url secret of 43 characters contains one of them about once in 800,000 times.
_EXAMPLE_WORDS = (
    "changeme",
    "change-me",
    "change_me",
    "secret",
    "password",
    "example",
    "insecure",
    "your-",
    "your_",
)


class UnusableKey(ValueError):
    """The key is too short, easy to guess, of the wrong kind, or not a key. The message never contains the key."""


class WeakSecret(UnusableKey):
    """The shared secret is too short or easy to guess."""


@dataclass(frozen=True, slots=True, repr=False)
class VerificationKey:
    """The service's key. `is_signed(signing_input, signature)` uses the algorithm that is named `algorithm`."""

    algorithm: str
    is_signed: Callable[[bytes, bytes], bool]


def verification_key(secret: str) -> VerificationKey:
    """Return the key for `secret`: at least 32 bytes of text, or an Ed25519 public PEM. Raises UnusableKey."""
    if secret.lstrip().startswith("-----BEGIN "):
        return _key("EdDSA", _public_key(secret))
    _check_strength(secret)
    return _key("HS256", secret)


def _key(algorithm: str, key: Any) -> VerificationKey:
    verifier = jwt.get_algorithm_by_name(algorithm)
    try:
        prepared = verifier.prepare_key(key)
    except jwt.InvalidKeyError as error:  # an SSH key, or a PEM after other text
        raise UnusableKey("is not a shared secret") from error
    return VerificationKey(algorithm, partial(_is_signed, verifier, prepared))


def _is_signed(verifier: Any, key: Any, signing_input: bytes, signature: bytes) -> bool:
    return bool(verifier.verify(signing_input, key, signature))


def _check_strength(secret: str) -> None:
    if len(secret.encode()) < MIN_SECRET_LENGTH:
        raise WeakSecret(f"is shorter than {MIN_SECRET_LENGTH} bytes")
    if len(set(secret)) < _MIN_DISTINCT or any(word in secret.lower() for word in _EXAMPLE_WORDS):
        raise WeakSecret("is an example or a pattern, not a random value")


def _public_key(pem: str) -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError as error:
        raise UnusableKey("is a public key, which needs: pip install 'sallyport-service[eddsa]'") from error
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, TypeError) as error:
        raise UnusableKey("is not a readable public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise UnusableKey("is not an Ed25519 public key")
    return key
