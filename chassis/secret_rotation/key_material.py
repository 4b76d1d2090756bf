"""New keys and secrets of the kind of a given one, and the public part of a key."""

import secrets

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from contract.keys import UnusableKey

MIN_RSA_BITS = 2048
"""RFC 7518 3.3."""

_PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


def new_secret_like(secret: str) -> str:
    """Return a new private key of the kind of a private PEM, or 256 random bits in hexadecimal for another text.

    Raises UnusableKey.
    """
    if not is_pem(secret):
        return secrets.token_hex(32)
    new = _new_key_like(_private_key(secret))
    return new.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode().strip()


def public_part(secret: str) -> str:
    """Return the public PEM of a private or public one; another text as it is. Raises UnusableKey."""
    if not is_pem(secret) or "PRIVATE KEY" not in secret:
        return secret
    key = _private_key(secret).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode().strip()


def is_pem(secret: str) -> bool:
    """Return whether the secret is a key in PEM form."""
    return secret.lstrip().startswith("-----BEGIN ")


def _private_key(pem: str) -> _PrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKey("is not a readable private key in PEM form") from error
    if not isinstance(key, _PrivateKey):
        raise UnusableKey("is neither an RSA, an elliptic curve nor an Ed25519 key")
    return key


def _new_key_like(key: _PrivateKey) -> _PrivateKey:
    match key:
        case RSAPrivateKey():
            return generate_rsa_key(65537, max(key.key_size, MIN_RSA_BITS))
        case EllipticCurvePrivateKey():
            return generate_private_key(key.curve)
    return Ed25519PrivateKey.generate()
