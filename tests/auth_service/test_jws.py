"""What our signers sign is what the library would, to the byte; what a secret signed is known again, alone."""

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from auth_service.jws import SecretSigner, Signer
from tests.auth_service.forge import Forge
from tests.auth_service.world import REFRESH_SECRET

CLAIMS: dict[str, Any] = {"sub": "ännchen", "iat": 1_790_000_000, "roles": "", "generation": 0}
HEADER = {"typ": "refresh+jwt"}
SECRET = REFRESH_SECRET.encode()


@pytest.fixture
def signer() -> SecretSigner:
    return SecretSigner(SECRET, HEADER)


def test_a_secret_signs_as_the_library_does(signer: SecretSigner) -> None:
    """A refresh token is a function of its session's row, also for the release before and after this one."""
    assert signer.sign(CLAIMS) == jwt.encode(CLAIMS, SECRET, "HS256", HEADER)


def test_an_rsa_key_signs_as_the_library_does(signing_pem: str) -> None:
    header = {"typ": "at+jwt", "kid": "k1"}
    key: Any = load_pem_private_key(signing_pem.encode(), None)
    assert Signer(key, "RS256", header).sign(CLAIMS) == jwt.encode(CLAIMS, key, "RS256", header)


@pytest.mark.parametrize(
    ("algorithm", "key"), [("ES256", generate_ec_key(SECP256R1())), ("EdDSA", Ed25519PrivateKey.generate())]
)
def test_the_library_verifies_what_other_keys_sign(algorithm: str, key: Any) -> None:
    token = Signer(key, algorithm, {"typ": "at+jwt", "kid": "k2"}).sign(CLAIMS)
    read = jwt.decode_complete(token, key.public_key(), [algorithm])
    assert read["payload"] == CLAIMS
    assert read["header"] == {"alg": algorithm, "kid": "k2", "typ": "at+jwt"}


def test_a_token_of_ones_own_is_known_again(signer: SecretSigner) -> None:
    assert signer.claims_of_own(signer.sign(CLAIMS)) == CLAIMS


def test_any_other_token_is_not_known(signer: SecretSigner) -> None:
    own = signer.sign(CLAIMS)
    head, payload, signature = own.split(".")
    of_another_kind = SecretSigner(SECRET, {"typ": "at+jwt"}).sign(CLAIMS)
    of_another_secret = SecretSigner(SECRET[::-1], HEADER).sign(CLAIMS)
    for other in (
        of_another_kind,
        of_another_secret,
        f"{head}.{payload}.{signature[::-1]}",
        f"{head}.{payload[::-1]}.{signature}",
        f"{of_another_kind.split('.')[0]}.{payload}.{signature}",
        f"{own}=",
        f"{head}.{payload}.",
        "..",
        "",
    ):
        assert signer.claims_of_own(other) is None, other


def test_a_token_in_another_spelling_of_the_header_is_read_as_well(forge: Forge, ann: Any) -> None:
    """By the library: whoever holds the secret may have written it otherwise."""
    claims = jwt.decode(ann.refresh, options={"verify_signature": False})
    spelt_otherwise = forge.sign(claims, {**HEADER, "made": "elsewhere"}, REFRESH_SECRET, "HS256")
    assert ann.refresh_with(spelt_otherwise).status_code == 200
