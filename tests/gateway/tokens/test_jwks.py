"""Only public signature keys of known algorithms are read from a JWKS."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from gateway.tokens.jwks import read_jwks
from tests.gateway.access_tokens import SigningKey, jwks

ED = SigningKey("ed", ed25519.Ed25519PrivateKey.generate())
EC = SigningKey("ec", ec.generate_private_key(ec.SECP256R1()))


def entry(**changed: Any) -> dict[str, Any]:
    return {name: value for name, value in (ED.jwk | changed).items() if value is not None}


UNUSABLE: dict[str, object] = {
    "no kid": entry(kid=None),
    "kid is a number": entry(kid=7),
    "kid is a list": entry(kid=["ed"]),
    "no alg": entry(alg=None),
    "alg none": entry(alg="none"),
    "alg of a secret": entry(alg="HS256"),
    "unsupported alg": entry(alg="RS512"),
    "alg is a list": entry(alg=["EdDSA"]),
    "alg of another kty": entry(alg="RS256"),
    "for encryption": entry(use="enc"),
    "private": entry(d="private"),
    "secret": entry(kty="oct", k="c2VjcmV0"),
    "no kty": entry(kty=None),
    "unknown crv": entry(crv="X448"),
    "no x": entry(x=None),
    "x is a number": entry(x=7),
    "x is not base64": entry(x="!"),
    "text": "no object",
    "null": None,
    "list": [],
}


@pytest.mark.parametrize("unusable", UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_entry_is_skipped(unusable: object) -> None:
    """RFC 7517 section 5. A private key is also unusable."""
    assert list(read_jwks(json.dumps({"keys": [unusable, EC.jwk]}).encode())) == ["ec"]
    with pytest.raises(ValueError, match="no usable key"):
        read_jwks(json.dumps({"keys": [unusable]}).encode())


def test_only_public_keys_are_kept() -> None:
    for key in read_jwks(jwks(ED, EC, SigningKey("rsa"))).values():
        assert not hasattr(key.key, "private_bytes")
        assert not hasattr(key.key, "sign")


def test_a_document_with_a_duplicate_member_is_refused() -> None:
    with pytest.raises(ValueError, match="not a JWKS"):
        read_jwks(b'{"keys": [], "keys": []}')
