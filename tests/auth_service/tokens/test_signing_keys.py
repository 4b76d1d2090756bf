"""Signing keys: which ones are accepted, and what the JWK set publishes about them."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flask.testing import FlaskClient

from auth_service.tokens.signing_keys import PrivateKey, load_key_ring, load_signing_key, load_verification_key
from contract.keys import UnusableKey
from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import header_of
from tests.auth_service.world import Person


def pem_of(key: PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem_of(key: PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


KINDS: Mapping[str, Callable[[], PrivateKey]] = {
    "RS256": lambda: generate_rsa_key(65537, 2048),
    "ES256": lambda: generate_ec_key(SECP256R1()),
    "EdDSA": Ed25519PrivateKey.generate,
}


@pytest.mark.parametrize("algorithm", KINDS)
def test_the_key_type_determines_the_algorithm(algorithm: str, make_app: MakeApp) -> None:
    """The published JWK set is enough to verify the tokens, and the service accepts them."""
    pem = pem_of(KINDS[algorithm]())
    client = make_app(SIGNING_KEY=pem).test_client()
    person = Person(client)
    person.register()
    person.log_in()
    published = client.get("/.well-known/jwks.json").get_data(as_text=True)
    (key,) = jwt.PyJWKSet.from_json(published).keys
    assert header_of(person.access)["kid"] == key.key_id
    assert header_of(person.access)["alg"] == algorithm
    decoded = jwt.decode(
        person.access,
        key,
        algorithms=[algorithm],
        audience="sallyport-api",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert decoded["email"] == person.email
    assert person.me().status_code == 200


def test_the_kid_is_the_thumbprint_of_rfc_7638() -> None:
    """It is SHA-256 of the required members in lexicographic order, without spaces (section 3)."""
    public = load_verification_key(pem_of(generate_rsa_key(65537, 2048)))
    members = {name: public.jwk[name] for name in ("e", "kty", "n")}
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    assert public.kid == base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    assert public.jwk["use"] == "sig"


def test_a_key_ring_publishes_both_keys_and_no_private_part() -> None:
    new, old = generate_rsa_key(65537, 2048), generate_ec_key(SECP256R1())
    ring = load_key_ring(pem_of(new), public_pem_of(old))
    keys = ring.to_jwk_set()["keys"]
    assert [key["alg"] for key in keys] == ["RS256", "ES256"]
    assert all("d" not in key and "p" not in key for key in keys)


def test_a_key_ring_has_a_repeated_key_once() -> None:
    pem = pem_of(Ed25519PrivateKey.generate())
    assert len(load_key_ring(pem, pem).verifying) == 1


@pytest.mark.parametrize(
    ("pem", "complaint"),
    [
        (pem_of(generate_rsa_key(65537, 1024)), "1024 bits; 2048 or more"),
        (pem_of(generate_ec_key(SECP384R1())), "neither an RSA, a P-256 nor an Ed25519"),
        (public_pem_of(Ed25519PrivateKey.generate()), "not a readable private key"),
        ("-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----", "not a readable private key"),
        ("secret", "not a readable private key"),
    ],
)
def test_a_weak_or_unknown_key_is_refused_with_the_reason(pem: str, complaint: str) -> None:
    with pytest.raises(UnusableKey, match=complaint):
        load_signing_key(pem)


def test_the_jwk_set_is_cacheable_and_also_served_under_auth(client: FlaskClient) -> None:
    answer = client.get("/.well-known/jwks.json")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert client.get("/auth/.well-known/jwks.json").json == answer.json


def test_keys_are_not_shown_by_repr(signing_pem: str) -> None:
    ring = load_key_ring(signing_pem, None)
    assert ring.signing.public.kid not in repr(ring)
    assert "PRIVATE" not in repr(ring.signing)
