"""The token verifier accepts valid tokens, refuses forged and malformed ones, and checks their times."""

import asyncio
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
from tests.gateway.tokens.verifier_harness import Publisher, VerifierHarness


@pytest.fixture
def harness(clock: MovableClock, signing_key: SigningKey) -> VerifierHarness:
    return VerifierHarness(clock, Publisher([signing_key]))


def test_the_claims_of_a_valid_token_are_returned(harness: VerifierHarness, signing_key: SigningKey) -> None:
    async def main() -> None:
        await harness.load()
        claims = await harness.authenticate(signing_key.sign(access_claims(harness.clock())))
        assert (claims.subject, claims.session, claims.roles) == ("ada-id", "ada-session", ("user", "staff"))

    asyncio.run(main())


def test_the_listed_claims_of_the_claims_hook_are_kept_and_no_others(
    clock: MovableClock, signing_key: SigningKey
) -> None:
    harness = VerifierHarness(clock, Publisher([signing_key]), extra_claims=("tenant", "plan", "missing"))

    async def main() -> None:
        await harness.load()
        hooked = access_claims(clock(), tenant='acm"é', plan={"seats": 3}, internal="secret")
        for _ in range(2):  # verified, and then from the cache
            claims = await harness.authenticate(signing_key.sign(hooked))
            assert json.loads(claims.extra) == {"tenant": 'acm"é', "plan": {"seats": 3}}
        assert (await harness.authenticate(signing_key.sign(access_claims(clock())))).extra == ""

    asyncio.run(main())


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()], ids=["ES256", "EdDSA"]
)
def test_every_supported_kind_of_key_is_accepted(
    clock: MovableClock, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
) -> None:
    signing_key = SigningKey("k1", key)
    assert VerifierHarness(clock, Publisher([signing_key])).answer(signing_key.sign(access_claims(clock()))) == "ok"


# --- forgeries -----------------------------------------------------------------------------------------------------


def test_another_key_under_the_same_kid_is_refused(harness: VerifierHarness, signing_key: SigningKey) -> None:
    forged = SigningKey(signing_key.kid).sign(access_claims(harness.clock()))
    assert harness.answer(forged) == "token_invalid"


@pytest.mark.parametrize("algorithm", ["none", "NONE", "HS256", "HS512", "RS512", "PS256", "ES256", "", None, 7])
@pytest.mark.parametrize("signature", [b"", b"x"], ids=["unsigned", "signed"])
def test_another_algorithm_is_refused(
    harness: VerifierHarness, signing_key: SigningKey, algorithm: object, signature: bytes
) -> None:
    header = {"alg": algorithm, "typ": ACCESS_TYP, "kid": signing_key.kid}
    assert harness.answer(by_hand(header, access_claims(harness.clock()), signature)) == "token_invalid"


def test_the_public_key_is_not_accepted_as_a_shared_secret(harness: VerifierHarness, signing_key: SigningKey) -> None:
    """RFC 8725 2.1: an attacker signs with HS256, and the text of the public key as the secret."""
    header = {"alg": "HS256", "typ": ACCESS_TYP, "kid": signing_key.kid}
    unsigned = by_hand(header, access_claims(harness.clock())).rpartition(".")[0]
    public = signing_key.key.public_key()
    for form in (PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1):
        secret = public.public_bytes(Encoding.PEM, form)
        signature = hmac.digest(secret, unsigned.encode(), hashlib.sha256)
        assert harness.answer(f"{unsigned}.{by_hand(signature, '').partition('.')[0]}") == "token_invalid"


@pytest.mark.parametrize("typ", ["JWT", "refresh+jwt", "identity+jwt", "peer+jwt", "AT+JWT", "", None, 7, ["at+jwt"]])
def test_another_type_is_refused(harness: VerifierHarness, signing_key: SigningKey, typ: object) -> None:
    assert harness.answer(signing_key.sign(access_claims(harness.clock()), typ=typ)) == "token_invalid"


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
def test_any_unknown_kid_is_refused(harness: VerifierHarness, signing_key: SigningKey, kid: object) -> None:
    header = {"alg": "RS256", "typ": ACCESS_TYP, "kid": kid}
    assert harness.answer(by_hand(header, access_claims(harness.clock()), b"x")) == "token_invalid"


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
def test_a_token_with_an_unknown_key_may_contain_any_expiry(harness: VerifierHarness, exp: object, code: str) -> None:
    """Its signature cannot be verified, so its claims may be anything."""
    header = {"alg": "RS256", "typ": ACCESS_TYP, "kid": "unknown"}
    assert harness.answer(by_hand(header, access_claims(harness.clock()) | {"exp": exp}, b"x")) == code


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c", "x5t"])
def test_a_key_inside_the_token_is_not_used(harness: VerifierHarness, name: str) -> None:
    """The only fetch is that of the JWKS, for an unknown kid."""
    attacker = SigningKey("evil")
    value: Any = {"jku": "http://evil.example/jwks", "x5u": "http://evil.example/x", "x5c": ["MIIB"], "x5t": "x"}
    token = attacker.sign(access_claims(harness.clock()), **{name: value.get(name, attacker.jwk)})
    assert harness.answer(token) == "token_invalid"
    assert harness.publisher.fetched == 2


@pytest.mark.parametrize("crit", [["exp"], ["unknown"], [], "exp", [7], None])
def test_a_critical_header_extension_is_refused(
    harness: VerifierHarness, signing_key: SigningKey, crit: object
) -> None:
    """RFC 7515 4.1.11."""
    header = {"alg": "RS256", "typ": ACCESS_TYP, "kid": signing_key.kid, "crit": crit}
    unsigned = by_hand(header, access_claims(harness.clock())).rpartition(".")[0]
    signature = jwt.get_algorithm_by_name("RS256").sign(unsigned.encode(), signing_key.key)
    token = f"{unsigned}.{by_hand(signature, '').partition('.')[0]}"
    assert harness.answer(token) == "token_invalid"


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
def test_text_that_is_not_a_token_is_refused_with_401(harness: VerifierHarness, token: str) -> None:
    """No exception of a parser reaches the caller."""
    assert harness.answer(token) == "token_invalid"


def test_a_malformed_token_causes_no_fetch_of_keys(harness: VerifierHarness) -> None:
    for token in MALFORMED:
        harness.answer(token)
    assert harness.publisher.fetched == 1


@pytest.mark.parametrize(
    "payload",
    [b"[]", b"null", b"7", b'"x"', b"", b"{", b"\xff", b"[" * 2_000, b'{"exp": NaN}', b'{"exp": 1, "exp": 2}'],
)
def test_a_signed_payload_that_is_not_a_valid_json_object_is_refused(
    harness: VerifierHarness, signing_key: SigningKey, payload: bytes
) -> None:
    headers = {"typ": ACCESS_TYP, "kid": signing_key.kid}
    token = jwt.api_jws.encode(payload, signing_key.key, algorithm="RS256", headers=headers)
    assert harness.answer(token) == "token_invalid"


@pytest.mark.parametrize("missing", ["exp", "iat", "iss", "aud", "sub", "jti", "sid", "token_type", "generation"])
def test_a_signed_token_without_a_claim_is_refused(
    harness: VerifierHarness, signing_key: SigningKey, missing: str
) -> None:
    assert harness.answer(signing_key.sign(access_claims(harness.clock(), **{missing: None}))) == "token_invalid"


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    harness = VerifierHarness(MovableClock(), Publisher([SHARED]))
    assert harness.answer(text) == "token_invalid"


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=80))
def test_any_three_parts_without_a_valid_signature_are_refused(
    header: bytes, payload: bytes, signature: bytes
) -> None:
    harness = VerifierHarness(MovableClock(), Publisher([SHARED]))
    assert harness.answer(by_hand(header, payload, signature)) == "token_invalid"


SHARED = SigningKey("k1", ed25519.Ed25519PrivateKey.generate())
"""The key of the tests with random input, which cannot use fixtures."""


# --- times -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("skew", "code"), [(10, "ok"), (-10, "ok"), (60, "token_invalid"), (-60, "ok"), (-311, "token_expired")]
)
def test_clocks_may_differ_by_ten_seconds(
    harness: VerifierHarness, signing_key: SigningKey, skew: int, code: str
) -> None:
    """`skew` is how many seconds the auth service's clock is ahead."""
    assert harness.answer(signing_key.sign(access_claims(harness.clock() + skew))) == code


def test_a_cached_token_expires(harness: VerifierHarness, signing_key: SigningKey) -> None:
    token = signing_key.sign(access_claims(harness.clock()))
    assert harness.answer(token) == "ok"
    harness.clock.move(309)
    assert harness.answer(token) == "ok"
    harness.clock.move(1)
    assert [harness.answer(token), harness.answer(token)] == ["token_expired", "token_expired"]


def test_confirm_refuses_an_expired_token_unless_the_gateway_renews_it(
    harness: VerifierHarness, signing_key: SigningKey
) -> None:
    """A browser session does not end with its access token. A revocation ends both."""

    async def scenario() -> None:
        await harness.load()
        claims = await harness.authenticate(signing_key.sign(access_claims(harness.clock())))
        harness.token_verifier.confirm(claims)
        harness.clock.move(400)
        with pytest.raises(Refused) as refused:
            harness.token_verifier.confirm(claims)
        assert refused.value.code == "token_expired"
        harness.token_verifier.confirm(claims, may_be_expired=True)
        harness.revocations.add(Revocation("sid", "ada-session", int(harness.clock()), int(harness.clock()) + 300))
        with pytest.raises(Refused) as refused:
            harness.token_verifier.confirm(claims, may_be_expired=True)
        assert refused.value.code == "token_revoked"

    asyncio.run(scenario())
