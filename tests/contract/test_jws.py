"""Compact JWS: malformed tokens are rejected; others are verified with the given key and algorithm only."""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from contract.claims import MAX_TOKEN_LENGTH, InvalidToken
from contract.jws import encoded_header, parse_jws, read_claims, sign_claims
from tests.gateway.access_tokens import by_hand

SECRET = b"pR7vXq2LmZ9tBw4KcYd8NsHf3GjTe6UaQx1WoIy5"
HEADER = encoded_header(typ="test+jwt", algorithm="HS256")


def read(token: str, *, key: bytes = SECRET, typ: str = "test+jwt", algorithm: str = "HS256") -> dict[str, object]:
    return read_claims(parse_jws(token), typ=typ, algorithm=algorithm, key=key)


def _base64url(header: dict[str, object]) -> str:
    return urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()


def sign(claims: dict[str, object]) -> str:
    return sign_claims(claims, header=HEADER, algorithm="HS256", key=SECRET)


def signed_by_hand(payload: bytes) -> str:
    """Return a token with a valid signature and any bytes as its payload."""
    signing_input = f"{HEADER}.{urlsafe_b64encode(payload).rstrip(b'=').decode()}"
    signature = urlsafe_b64encode(hmac.digest(SECRET, signing_input.encode(), "sha256")).rstrip(b"=").decode()
    return f"{signing_input}.{signature}"


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_a_token_signed_here_is_read_here_and_by_pyjwt(claims: dict[str, object]) -> None:
    assert read(sign(claims)) == claims
    assert jwt.api_jws.decode_complete(sign(claims), SECRET, algorithms=["HS256"])["header"]["typ"] == "test+jwt"


def test_a_token_signed_by_pyjwt_is_read() -> None:
    token = jwt.encode({"sub": "ada"}, SECRET, algorithm="HS256", headers={"typ": "test+jwt", "kid": "k1"})
    assert parse_jws(token).header.key_id == "k1"
    assert read(token) == {"sub": "ada"}


PREFIX = f"{HEADER}."


@pytest.mark.parametrize(
    "token",
    [
        PREFIX + "b.c",
        PREFIX + "A-_9.A-_9",
        PREFIX + "b." + "c" * (MAX_TOKEN_LENGTH - len(PREFIX) - 2),
    ],
    ids=["letters", "all kinds of characters", "longest"],
)
def test_three_base64url_parts_of_limited_length_have_the_form_of_a_token(token: str) -> None:
    assert parse_jws(token).header.type == "test+jwt"


@pytest.mark.parametrize(
    "token",
    [
        PREFIX + "b",
        PREFIX + "b.",
        PREFIX + ".c",
        PREFIX + "b.c.d",
        PREFIX + "b.c\n",
        PREFIX + "b=.c",
        PREFIX + "b+.c",
        PREFIX + "b/.c",
        PREFIX + "b.ç",
        PREFIX + "b.\u0101",
        PREFIX + "b.\udcff",
        PREFIX + "b.\xff",
        " " + PREFIX + "b.c",
        PREFIX + "b." + "c" * (MAX_TOKEN_LENGTH - len(PREFIX) - 1),
    ],
)
def test_a_token_of_another_form_is_rejected_although_its_header_is_valid(token: str) -> None:
    with pytest.raises(InvalidToken, match="malformed"):
        parse_jws(token)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"sub":"ada","sub":"root"}',
        b'{"sub":"ada","sub":"ada"}',
        b'{"sub":"https://a","sub":"https://b"}',
        b'{"a":{"sub":"ada","sub":"root"}}',
        b'{"a":[{"sub":1,"sub":2}],"b":":"}',
        b' {"sub":"ada","sub" : "root"}',
        b'{"sub":"ada"} {}',
        b'{"sub":"ada"}x',
        b'{"sub":"ada",}',
        b"[]",
        b'"sub"',
        b"[" * 3_000,
        b"\xff",
    ],
)
def test_a_payload_that_repeats_a_name_or_is_no_object_is_rejected(payload: bytes) -> None:
    with pytest.raises(InvalidToken, match="malformed"):
        read(signed_by_hand(payload))


@pytest.mark.parametrize(
    ("payload", "claims"),
    [
        (b'{"iss":"https://auth.example:8443/a:b","sub":"a"}', {"iss": "https://auth.example:8443/a:b", "sub": "a"}),
        (b' {"sub" : "ada"}\n', {"sub": "ada"}),
        (b'{"a":{"sub":1},"b":[{"sub":2}]}', {"a": {"sub": 1}, "b": [{"sub": 2}]}),
        (b"{}", {}),
    ],
    ids=["colons in strings", "whitespace", "one name in several objects", "empty"],
)
def test_a_payload_without_repeated_names_is_read(payload: bytes, claims: dict[str, object]) -> None:
    assert read(signed_by_hand(payload)) == claims


MEMBERS = st.lists(st.tuples(st.sampled_from(["a", "b", ":", "://", '"']), st.text(':/"\\ab{}[], ')), max_size=4)


@given(MEMBERS, st.sampled_from([":", " :", ": ", "\n:\t"]))
def test_a_payload_is_read_if_and_only_if_its_names_are_unique(members: list[tuple[str, str]], colon: str) -> None:
    text = ",".join(f"{json.dumps(name)}{colon}{json.dumps(value)}" for name, value in members)
    token = signed_by_hand(f"{{{text}}}".encode())
    if len(dict(members)) == len(members):
        assert read(token) == dict(members)
    else:
        with pytest.raises(InvalidToken):
            read(token)


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
        "a" * 8_190 + ".b.c",  # over MAX_TOKEN_LENGTH
    ],
)
def test_a_malformed_token_is_rejected(token: str) -> None:
    with pytest.raises(InvalidToken):
        parse_jws(token)


@pytest.mark.parametrize(
    "header", [b"[]", b"null", b'"x"', b"{", b"\xff", b"[" * 3_000, b'{"kid":7}', b'{"kid":["k"]}']
)
def test_a_malformed_header_is_rejected(header: bytes) -> None:
    with pytest.raises(InvalidToken):
        parse_jws(by_hand(header, {}, b"x"))


@pytest.mark.parametrize(
    "parameter", [{"crit": ["exp"]}, {"crit": []}, {"crit": None}, {"crit": "x"}, {"b64": False}, {"b64": True}]
)
def test_a_token_with_extensions_is_rejected_although_its_signature_is_valid(parameter: dict[str, object]) -> None:
    """RFC 7515 4.1.11, RFC 7797 7: we support no extensions."""
    header = _base64url({"alg": "HS256", "typ": "test+jwt", **parameter})
    read(sign_claims({}, header=_base64url({"alg": "HS256", "typ": "test+jwt"}), algorithm="HS256", key=SECRET))
    with pytest.raises(InvalidToken):
        read(sign_claims({}, header=header, algorithm="HS256", key=SECRET))


def test_a_token_is_rejected_with_another_key_or_typ_or_algorithm() -> None:
    token = sign({"sub": "ada"})
    for wrong in ({"key": SECRET[::-1]}, {"typ": "at+jwt"}, {"algorithm": "HS512"}):
        with pytest.raises(InvalidToken):
            read(token, **wrong)


def test_a_token_with_any_letter_changed_is_rejected() -> None:
    token = sign({"sub": "ada"})
    for place, letter in enumerate(token):
        if letter != "." and place < len(token) - 1:  # the last letter also holds unused bits
            changed = f"{token[:place]}{'A' if letter != 'A' else 'B'}{token[place + 1 :]}"
            with pytest.raises(InvalidToken):
                read(changed)


def test_a_signature_with_unused_bits_set_is_rejected() -> None:
    """RFC 4648 3.5: otherwise several texts would be the same token."""
    token = sign({"sub": "ada"})
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same_bytes = token[:-1] + alphabet[alphabet.index(token[-1]) + 1]  # 32 bytes leave two unused bits
    assert urlsafe_b64decode(same_bytes.split(".")[2] + "=") == urlsafe_b64decode(token.split(".")[2] + "=")
    with pytest.raises(InvalidToken):
        read(same_bytes)


def test_a_truncated_signature_is_rejected() -> None:
    token = sign({"sub": "ada"})
    for removed in range(1, 5):
        with pytest.raises(InvalidToken):
            read(token[:-removed])


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
def test_pyjwt_reads_our_tokens_and_signs_the_same_bytes_with_hs256_and_rs256(algorithm: str, key: Any) -> None:
    """Refresh tokens are recomputed, so their bytes must not change between releases."""
    claims = {"sub": "ännchen", "iat": 1_790_000_000, "roles": "", "generation": 0}
    header = {"typ": "at+jwt", "kid": "k1"}
    made = encoded_header(typ="at+jwt", algorithm=algorithm, key_id="k1")
    token = sign_claims(claims, header=made, algorithm=algorithm, key=key)
    public = key if isinstance(key, bytes) else key.public_key()
    read = jwt.api_jws.decode_complete(token, public, algorithms=[algorithm])
    assert (json.loads(read["payload"]), read["header"]) == (claims, {"alg": algorithm, **header})
    if algorithm in ("HS256", "RS256"):
        assert token == jwt.encode(claims, key, algorithm, header)
