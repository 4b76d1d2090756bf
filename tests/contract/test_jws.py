"""Compact JWS: malformed tokens are rejected; others are verified with the given key and algorithm only."""

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from contract.claims import InvalidToken
from contract.jws import encoded_header, read_claims, read_header, sign_claims
from tests.gateway.access_tokens import by_hand

SECRET = b"pR7vXq2LmZ9tBw4KcYd8NsHf3GjTe6UaQx1WoIy5"
HEADER = encoded_header(typ="test+jwt", algorithm="HS256")


def read(token: str, *, key: bytes = SECRET, typ: str = "test+jwt", algorithm: str = "HS256") -> dict[str, object]:
    return read_claims(token, read_header(token), typ=typ, algorithm=algorithm, key=key)


def sign(claims: dict[str, object]) -> str:
    return sign_claims(claims, header=HEADER, algorithm="HS256", key=SECRET)


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_our_tokens_are_read_here_and_by_pyjwt(claims: dict[str, object]) -> None:
    assert read(sign(claims)) == claims
    assert jwt.api_jws.decode_complete(sign(claims), SECRET, algorithms=["HS256"])["header"]["typ"] == "test+jwt"


def test_tokens_of_pyjwt_are_read() -> None:
    token = jwt.encode({"sub": "ada"}, SECRET, algorithm="HS256", headers={"typ": "test+jwt", "kid": "k1"})
    assert read_header(token).key_id == "k1"
    assert read(token) == {"sub": "ada"}


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "a..c",
        "a.b.",
        ".b.c",
        "a b.c.d",
        "é.b.c",
        "a=.b.c",
        "a+.b.c",
        "a" * 8_190 + ".b.c",
    ],
)
def test_a_malformed_token_is_rejected(token: str) -> None:
    with pytest.raises(InvalidToken):
        read_header(token)


@pytest.mark.parametrize(
    "header", [b"[]", b"null", b'"x"', b"{", b"\xff", b"[" * 3_000, b'{"kid":7}', b'{"kid":["k"]}']
)
def test_a_malformed_header_is_rejected(header: bytes) -> None:
    with pytest.raises(InvalidToken):
        read_header(by_hand(header, {}, b"x"))


@pytest.mark.parametrize("crit", [["exp"], [], None, "x"])
def test_a_critical_extension_is_rejected(crit: object) -> None:
    """RFC 7515 4.1.11: we support none."""
    assert read_header(by_hand({"alg": "HS256", "typ": "test+jwt", "crit": crit}, {}, b"x")).extended


def test_any_other_key_type_or_algorithm_is_rejected() -> None:
    token = sign({"sub": "ada"})
    for wrong in ({"key": SECRET[::-1]}, {"typ": "at+jwt"}, {"algorithm": "HS512"}):
        with pytest.raises(InvalidToken):
            read(token, **wrong)


def test_any_change_invalidates_the_token() -> None:
    token = sign({"sub": "ada"})
    for place, letter in enumerate(token):
        if letter != "." and place < len(token) - 1:  # of the last letter not all bits count
            changed = f"{token[:place]}{'A' if letter != 'A' else 'B'}{token[place + 1 :]}"
            with pytest.raises(InvalidToken):
                read(changed)


def test_a_signature_with_unused_bits_set_is_rejected() -> None:
    with pytest.raises(InvalidToken):
        read(sign({"sub": "ada"})[:-2])


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("HS256", SECRET),
        ("RS256", rsa.generate_private_key(public_exponent=65_537, key_size=2_048)),
        ("ES256", ec.generate_private_key(ec.SECP256R1())),
        ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
    ],
    ids=["HS256", "RS256", "ES256", "EdDSA"],
)
def test_our_tokens_equal_pyjwts_and_hs256_and_rs256_to_the_byte(algorithm: str, key: Any) -> None:
    """A refresh token is a function of its session's row, in every release."""
    claims = {"sub": "ännchen", "iat": 1_790_000_000, "roles": "", "generation": 0}
    header = {"typ": "at+jwt", "kid": "k1"}
    made = encoded_header(typ="at+jwt", algorithm=algorithm, key_id="k1")
    token = sign_claims(claims, header=made, algorithm=algorithm, key=key)
    public = key if isinstance(key, bytes) else key.public_key()
    read = jwt.api_jws.decode_complete(token, public, algorithms=[algorithm])
    assert (json.loads(read["payload"]), read["header"]) == (claims, {"alg": algorithm, **header})
    if algorithm in ("HS256", "RS256"):
        assert token == jwt.encode(claims, key, algorithm, header)
