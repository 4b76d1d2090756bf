"""A secret that is easy to guess, and a key of the wrong kind, are rejected."""

import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from contract.keys import UnusableKey, assertion_signer, check_secret
from sallyport_service.keys import UnusableKey as UnusableVerificationKey
from sallyport_service.keys import verification_key

WEAK = [
    "",
    "short",
    "x" * 31,
    "a" * 64,
    "ab" * 32,
    "0123456" * 10,
    "changeme-changeme-changeme-changeme",
    "This-Is-My-Very-Own-SECRET-0123456789",
    "correct horse battery staple password",
    "your-256-bit-key-goes-here-0123456789",
    "an-example-value-of-sufficient-length-42",
    "django-insecure-8f7g6h5j4k3l2m1n0b9v8c7x6z",
]


def private_pem(key: object) -> str:
    assert isinstance(key, ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: object) -> str:
    assert isinstance(
        key,
        ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey,
    )
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


ED25519 = ed25519.Ed25519PrivateKey.generate()
P256 = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2048)


@pytest.mark.parametrize("secret", WEAK)
def test_a_weak_secret_is_rejected_without_showing_it(secret: str) -> None:
    for use in (check_secret, assertion_signer, verification_key):
        with pytest.raises((UnusableKey, UnusableVerificationKey)) as error:
            use(secret)
        assert len(secret) < 8 or secret not in str(error.value)


def test_the_length_of_a_secret_is_counted_in_bytes() -> None:
    check_secret("äöüßéèñçåøæœ" + "ab12cd34")  # 12 letters of two bytes, and 8 of one
    check_secret("abcdefgh" * 4)


@pytest.mark.parametrize("make", [secrets.token_hex, secrets.token_urlsafe])
def test_random_secrets_are_accepted(make: object) -> None:
    assert callable(make)
    for _ in range(200):
        assert assertion_signer(make(32)).algorithm == "HS256"


@pytest.mark.parametrize(
    "pem",
    [
        private_pem(RSA),
        private_pem(P256),
        public_pem(ED25519),
        "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        ED25519.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode(),
    ],
    ids=["rsa", "p-256", "public", "nonsense", "certificate", "encrypted"],
)
def test_a_pem_of_another_kind_is_rejected_as_signing_key(pem: str) -> None:
    """It is not accepted as a shared secret either."""
    with pytest.raises(UnusableKey):
        assertion_signer(pem)


@pytest.mark.parametrize(
    "pem",
    [public_pem(RSA), public_pem(P256), private_pem(ED25519), public_pem(x25519.X25519PrivateKey.generate())],
    ids=["rsa", "p-256", "private", "x25519"],
)
def test_a_pem_of_another_kind_is_rejected_as_verification_key(pem: str) -> None:
    """Not even the gateway's private key, with which a service could sign assertions itself."""
    with pytest.raises(UnusableVerificationKey):
        verification_key(pem)


def test_the_kind_of_key_determines_the_algorithm() -> None:
    assert assertion_signer(private_pem(ED25519)).algorithm == "EdDSA"
    assert verification_key(f"\n  {public_pem(ED25519)}").algorithm == "EdDSA"


def test_repr_does_not_show_the_key() -> None:
    secret = secrets.token_urlsafe(32)
    assert secret not in repr(assertion_signer(secret)) + repr(verification_key(secret))
