"""Whose access token it is, and every way in which it may not be one."""

import asyncio
import gc
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from contract.claims import ACCESS_TYP
from contract.problems import Refused
from contract.revocation import Revocation
from tests.clocks import MovableClock
from tests.gateway.access_tokens import SigningKey, access_claims, by_hand
from tests.gateway.tokens.verifier_bench import Bench, Publisher


@pytest.fixture
def bench(clock: MovableClock, signing_key: SigningKey) -> Bench:
    return Bench(clock, Publisher([signing_key]))


def test_a_good_token_says_who_is_calling(bench: Bench, signing_key: SigningKey) -> None:
    async def ask() -> None:
        await bench.load()
        claims = await bench.authenticate(signing_key.sign(access_claims(bench.clock())))
        assert (claims.subject, claims.session, claims.roles) == ("ada-id", "ada-session", ("user", "staff"))

    asyncio.run(ask())


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()], ids=["ES256", "EdDSA"]
)
def test_every_kind_of_key_we_sign_with_is_known(
    clock: MovableClock, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
) -> None:
    signing_key = SigningKey("k1", key)
    assert Bench(clock, Publisher([signing_key])).answer(signing_key.sign(access_claims(clock()))) == "ok"


# --- forgeries -----------------------------------------------------------------------------------------------------


def test_another_key_under_the_same_kid_is_refused(bench: Bench, signing_key: SigningKey) -> None:
    forged = SigningKey(signing_key.kid).sign(access_claims(bench.clock()))
    assert bench.answer(forged) == "token_invalid"


@pytest.mark.parametrize("algorithm", ["none", "NONE", "HS256", "HS512", "RS512", "PS256", "ES256", "", None, 7])
@pytest.mark.parametrize("signature", [b"", b"x"], ids=["unsigned", "signed"])
def test_another_algorithm_is_refused(
    bench: Bench, signing_key: SigningKey, algorithm: object, signature: bytes
) -> None:
    """R1."""
    header = {"alg": algorithm, "typ": ACCESS_TYP, "kid": signing_key.kid}
    assert bench.answer(by_hand(header, access_claims(bench.clock()), signature)) == "token_invalid"


def test_the_public_key_is_no_shared_secret(bench: Bench, signing_key: SigningKey) -> None:
    """R1, RFC 8725 2.1: HS256 with the public key's text."""
    header = {"alg": "HS256", "typ": ACCESS_TYP, "kid": signing_key.kid}
    unsigned = by_hand(header, access_claims(bench.clock())).rpartition(".")[0]
    public = signing_key.key.public_key()
    for form in (PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1):
        secret = public.public_bytes(Encoding.PEM, form)
        signature = hmac.digest(secret, unsigned.encode(), hashlib.sha256)
        assert bench.answer(f"{unsigned}.{by_hand(signature, '').partition('.')[0]}") == "token_invalid"


@pytest.mark.parametrize("typ", ["JWT", "refresh+jwt", "identity+jwt", "peer+jwt", "AT+JWT", "", None, 7, ["at+jwt"]])
def test_another_type_is_refused(bench: Bench, signing_key: SigningKey, typ: object) -> None:
    """R2."""
    assert bench.answer(signing_key.sign(access_claims(bench.clock()), typ=typ)) == "token_invalid"


KIDS = [
    None,
    "",
    "unknown",
    "../../etc/passwd",
    "k1/../k1",
    "K1",
    "k1 ",
    "k1\0",
    "' OR 1=1 --",
    "__class__",
    "k" * 4_000,
    7,
    True,
    ["k1"],
    {"k1": "k1"},
]


@pytest.mark.parametrize("kid", KIDS, ids=lambda kid: repr(kid)[:20])
def test_a_kid_is_a_name_in_a_dict_and_nothing_else(bench: Bench, signing_key: SigningKey, kid: object) -> None:
    """R5."""
    header = {"alg": "RS256", "typ": ACCESS_TYP, "kid": kid}
    assert bench.answer(by_hand(header, access_claims(bench.clock()), b"x")) == "token_invalid"


@pytest.mark.parametrize(
    ("exp", "code"),
    [
        (10**400, "token_invalid"),
        (-(10**400), "token_expired"),
        (float("nan"), "token_invalid"),
        (float("inf"), "token_invalid"),
        (float("-inf"), "token_expired"),
        ("1", "token_invalid"),
        (None, "token_invalid"),
        ([], "token_invalid"),
        ({}, "token_invalid"),
    ],
    ids=lambda value: repr(value)[:13],
)
def test_a_token_of_an_unknown_key_may_say_any_expiry(bench: Bench, exp: object, code: str) -> None:
    """Nobody has signed it, so its claims are whatever a stranger wrote."""
    header = {"alg": "RS256", "typ": ACCESS_TYP, "kid": "unknown"}
    assert bench.answer(by_hand(header, access_claims(bench.clock()) | {"exp": exp}, b"x")) == code


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c", "x5t"])
def test_a_token_does_not_bring_its_own_key(bench: Bench, name: str) -> None:
    """R4: nor does it cause any look-up beyond the one for an unknown kid."""
    attacker = SigningKey("evil")
    value: Any = {"jku": "http://evil.example/jwks", "x5u": "http://evil.example/x", "x5c": ["MIIB"], "x5t": "x"}
    token = attacker.sign(access_claims(bench.clock()), **{name: value.get(name, attacker.jwk)})
    assert bench.answer(token) == "token_invalid"
    assert bench.publisher.fetched == 2


@pytest.mark.parametrize("crit", [["exp"], ["unknown"], [], "exp", [7], None])
def test_an_extension_that_must_be_understood_is_refused(bench: Bench, signing_key: SigningKey, crit: object) -> None:
    """R4, RFC 7515 4.1.11."""
    header = {"alg": "RS256", "typ": ACCESS_TYP, "kid": signing_key.kid, "crit": crit}
    unsigned = by_hand(header, access_claims(bench.clock())).rpartition(".")[0]
    signature = jwt.get_algorithm_by_name("RS256").sign(unsigned.encode(), signing_key.key)
    token = f"{unsigned}.{by_hand(signature, '').partition('.')[0]}"
    assert bench.answer(token) == "token_invalid"


MALFORMED = [
    "",
    "x",
    "a.b",
    "a.b.c",
    "a.b.c.d",
    "..",
    "é.é.é",
    "a.b.c\r\n",
    "a b.c.d",
    by_hand(b"[" * 5_000, {}, b"x"),
    by_hand(b'{"a":' * 1_500, {}, b"x"),
    by_hand(b"null", {}, b"x"),
    by_hand(b"[]", {}, b"x"),
    by_hand(b"\xff\xfe", {}, b"x"),
    by_hand(b"{}", {}, b"x"),
    by_hand(b'{"alg":"RS256","typ":"at+jwt","kid":"k1"', {}, b"x"),
    "x" * 9_000,
    "a." + "b" * 9_000 + ".c",
]


@pytest.mark.parametrize("token", MALFORMED, ids=lambda token: token[:20] or "empty")
def test_what_is_no_token_is_refused_as_one(bench: Bench, token: str) -> None:
    """R6, R23: with 401, and never with an exception of a parser's own."""
    assert bench.answer(token) == "token_invalid"


def test_what_is_malformed_causes_no_fetch(bench: Bench) -> None:
    for token in MALFORMED:
        bench.answer(token)
    assert bench.publisher.fetched == 1


@pytest.mark.parametrize(
    "payload",
    [b"[]", b"null", b"7", b'"x"', b"", b"{", b"\xff", b"[" * 2_000, b'{"exp": NaN}', b'{"exp": 1, "exp": 2}'],
)
def test_a_signed_payload_that_is_no_plain_object_is_refused(
    bench: Bench, signing_key: SigningKey, payload: bytes
) -> None:
    headers = {"typ": ACCESS_TYP, "kid": signing_key.kid}
    token = jwt.api_jws.encode(payload, signing_key.key, algorithm="RS256", headers=headers)
    assert bench.answer(token) == "token_invalid"


@pytest.mark.parametrize("missing", ["exp", "iat", "iss", "aud", "sub", "jti", "sid", "token_type", "generation"])
def test_a_signed_token_without_a_claim_is_refused(bench: Bench, signing_key: SigningKey, missing: str) -> None:
    """R7."""
    assert bench.answer(signing_key.sign(access_claims(bench.clock(), **{missing: None}))) == "token_invalid"


@given(st.text())
def test_any_text_is_refused_or_read(text: str) -> None:
    bench = Bench(MovableClock(), Publisher([SHARED]))
    assert bench.answer(text) == "token_invalid"


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=80))
def test_any_three_parts_are_refused_or_read(header: bytes, payload: bytes, signature: bytes) -> None:
    bench = Bench(MovableClock(), Publisher([SHARED]))
    assert bench.answer(by_hand(header, payload, signature)) == "token_invalid"


SHARED = SigningKey("k1", ed25519.Ed25519PrivateKey.generate())


# --- times -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("skew", "code"), [(10, "ok"), (-10, "ok"), (60, "token_invalid"), (-60, "ok"), (-311, "token_expired")]
)
def test_clocks_may_differ_by_ten_seconds(bench: Bench, signing_key: SigningKey, skew: int, code: str) -> None:
    """`skew`: by how much the auth service's clock is ahead. Behind, a token is only older than it seems."""
    assert bench.answer(signing_key.sign(access_claims(bench.clock() + skew))) == code


def test_a_remembered_token_expires_all_the_same(bench: Bench, signing_key: SigningKey) -> None:
    token = signing_key.sign(access_claims(bench.clock()))
    assert bench.answer(token) == "ok"
    bench.clock.move(309)
    assert bench.answer(token) == "ok"
    bench.clock.move(1)
    assert [bench.answer(token), bench.answer(token)] == ["token_expired", "token_expired"]


def test_a_request_that_waited_is_refused_by_an_expired_token_unless_the_gateway_renews_it(
    bench: Bench, signing_key: SigningKey
) -> None:
    """A session that is held by a cookie does not end because its token did meanwhile; a revocation ends both."""

    async def scenario() -> None:
        await bench.load()
        claims = await bench.authenticate(signing_key.sign(access_claims(bench.clock())))
        bench.token_verifier.confirm(claims)
        bench.clock.move(400)
        with pytest.raises(Refused) as refused:
            bench.token_verifier.confirm(claims)
        assert refused.value.code == "token_expired"
        bench.token_verifier.confirm(claims, may_be_expired=True)
        bench.revocations.add(Revocation("sid", "ada-session", int(bench.clock()), int(bench.clock()) + 300))
        with pytest.raises(Refused) as refused:
            bench.token_verifier.confirm(claims, may_be_expired=True)
        assert refused.value.code == "token_revoked"

    asyncio.run(scenario())


# --- memory and revocation -----------------------------------------------------------------------------------------


def test_a_token_is_verified_once_and_noted_once(bench: Bench, signing_key: SigningKey) -> None:
    token = signing_key.sign(access_claims(bench.clock()))
    assert {bench.answer(token) for _ in range(5)} == {"ok"}
    assert [(claims.session, claims.generation) for claims in bench.noted] == [("ada-session", 3)]


def test_a_refused_token_is_not_noted(bench: Bench, signing_key: SigningKey) -> None:
    bench.revocations.add(Revocation("sid", "ada-session", int(bench.clock()), int(bench.clock()) + 300))
    assert bench.answer(signing_key.sign(access_claims(bench.clock()))) == "token_revoked"
    assert bench.noted == []


@pytest.mark.parametrize("kind", ["sid", "sub"])
def test_a_remembered_token_can_be_revoked(bench: Bench, signing_key: SigningKey, kind: str) -> None:
    """R10, R16."""
    token = signing_key.sign(access_claims(bench.clock()))
    assert bench.answer(token) == "ok"
    value = "ada-session" if kind == "sid" else "ada-id"
    bench.revocations.add(
        Revocation("sid" if kind == "sid" else "sub", value, int(bench.clock()), int(bench.clock()) + 300)
    )
    assert bench.answer(token) == "token_revoked"


def test_a_token_of_the_same_session_with_another_signature_is_revoked_too(bench: Bench) -> None:
    """R10: ECDSA signatures are malleable, so a token's text says nothing about which token it is."""
    key = SigningKey("k1", ec.generate_private_key(ec.SECP256R1()))
    bench.publisher.keys = [key]
    first, second = (key.sign(access_claims(bench.clock())) for _ in range(2))
    assert first != second
    assert bench.answer(first) == "ok"
    bench.revocations.add(Revocation("sid", "ada-session", int(bench.clock()), int(bench.clock()) + 300))
    assert [bench.answer(first), bench.answer(second)] == ["token_revoked", "token_revoked"]


def test_memory_is_bounded_and_forgets_the_oldest(clock: MovableClock, signing_key: SigningKey) -> None:
    bench = Bench(clock, Publisher([signing_key]), size=3)
    tokens = [signing_key.sign(access_claims(clock(), jti=f"jti-{number}")) for number in range(5)]
    for token in tokens:
        assert bench.answer(token) == "ok"
    assert [token in bench.token_verifier._presented for token in tokens] == [False] * 2 + [True] * 3


def test_what_is_remembered_is_nothing_to_the_garbage_collector(bench: Bench, signing_key: SigningKey) -> None:
    """It stops the worker for as long as it takes to look at all that it watches: of a token nothing."""
    token = signing_key.sign(access_claims(bench.clock(), sid="unwatched-session"))
    assert bench.answer(token) == "ok"
    bench.noted.clear()
    for _ in range(2):  # once for the roles, and then for what holds them
        gc.collect()
    watched = [one for one in gc.get_objects() if isinstance(one, tuple) and "unwatched-session" in one]
    assert watched == []
    assert bench.answer(token) == "ok"


def test_a_token_that_differs_in_one_character_is_another_token(bench: Bench, signing_key: SigningKey) -> None:
    token = signing_key.sign(access_claims(bench.clock()))
    assert bench.answer(token) == "ok"
    head, payload, signature = token.split(".")
    other = access_claims(bench.clock(), sub="root-id")
    forged = by_hand({}, json.loads(json.dumps(other))).split(".")[1]
    assert bench.answer(f"{head}.{forged}.{signature}") == "token_invalid"
    first = "B" if signature.startswith("A") else "A"
    assert bench.answer(f"{head}.{payload}.{first}{signature[1:]}") == "token_invalid"
    assert bench.answer(token) == "ok"


# --- keys --------------------------------------------------------------------------------------------------------


def test_two_keys_verify_at_once_and_a_removed_one_does_not(clock: MovableClock) -> None:
    """R9."""
    old, new = SigningKey("old"), SigningKey("new")
    bench = Bench(clock, Publisher([old]))
    by_old = old.sign(access_claims(clock()))
    assert bench.answer(by_old) == "ok"
    bench.publisher.keys = [new, old]
    assert bench.answer(new.sign(access_claims(clock()))) == "ok"
    assert bench.answer(by_old) == "ok"
    bench.publisher.keys = [new]
    asyncio.run(bench.load())
    assert bench.answer(by_old) == "token_invalid"


def test_a_key_replaced_under_the_same_kid_is_noticed(clock: MovableClock, signing_key: SigningKey) -> None:
    bench = Bench(clock, Publisher([signing_key]))
    token = signing_key.sign(access_claims(clock()))
    assert bench.answer(token) == "ok"
    bench.publisher.keys = [SigningKey(signing_key.kid)]
    asyncio.run(bench.load())
    assert bench.answer(token) == "token_invalid"


def test_without_any_keys_it_is_our_fault(clock: MovableClock, signing_key: SigningKey) -> None:
    bench = Bench(clock, Publisher([signing_key], is_down=True))

    async def ask() -> Refused:
        with pytest.raises(Refused) as refused:
            await bench.authenticate(signing_key.sign(access_claims(clock())))
        return refused.value

    assert asyncio.run(ask()).status == 503
