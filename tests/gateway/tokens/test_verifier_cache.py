"""The token verifier: its cache, revocations, and changes of the keys."""

import asyncio
import gc
import json
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from contract.problems import Refused
from contract.revocation import Revocation
from tests.clocks import MovableClock
from tests.gateway.access_tokens import SigningKey, access_claims, by_hand
from tests.gateway.tokens.verifier_harness import Publisher, VerifierHarness


@pytest.fixture
def harness(clock: MovableClock, signing_key: SigningKey) -> VerifierHarness:
    return VerifierHarness(clock, Publisher([signing_key]))


# --- cache and revocation ------------------------------------------------------------------------------------------


def test_a_token_is_verified_once_and_reported_once(harness: VerifierHarness, signing_key: SigningKey) -> None:
    token = signing_key.sign(access_claims(harness.clock()))
    assert {harness.answer(token) for _ in range(5)} == {"ok"}
    assert [(claims.session, claims.generation) for claims in harness.presented] == [("ada-session", 3)]


def test_a_refused_token_is_not_reported(harness: VerifierHarness, signing_key: SigningKey) -> None:
    harness.revocations.add(Revocation("sid", "ada-session", int(harness.clock()), int(harness.clock()) + 300))
    assert harness.answer(signing_key.sign(access_claims(harness.clock()))) == "token_revoked"
    assert harness.presented == []


@pytest.mark.parametrize("kind", ["sid", "sub"])
def test_a_cached_token_can_be_revoked(harness: VerifierHarness, signing_key: SigningKey, kind: str) -> None:
    token = signing_key.sign(access_claims(harness.clock()))
    assert harness.answer(token) == "ok"
    value = "ada-session" if kind == "sid" else "ada-id"
    harness.revocations.add(
        Revocation("sid" if kind == "sid" else "sub", value, int(harness.clock()), int(harness.clock()) + 300)
    )
    assert harness.answer(token) == "token_revoked"


def test_a_token_of_the_same_session_with_another_signature_is_revoked_too(harness: VerifierHarness) -> None:
    """Signing the same claims again with ECDSA gives another signature, so the texts of two tokens differ."""
    key = SigningKey("k1", ec.generate_private_key(ec.SECP256R1()))
    harness.publisher.keys = [key]
    first, second = (key.sign(access_claims(harness.clock())) for _ in range(2))
    assert first != second
    assert harness.answer(first) == "ok"
    harness.revocations.add(Revocation("sid", "ada-session", int(harness.clock()), int(harness.clock()) + 300))
    assert [harness.answer(first), harness.answer(second)] == ["token_revoked", "token_revoked"]


def test_the_cache_is_bounded_and_evicts_the_oldest(clock: MovableClock, signing_key: SigningKey) -> None:
    harness = VerifierHarness(clock, Publisher([signing_key]), size=3)
    tokens = [signing_key.sign(access_claims(clock(), jti=f"jti-{number}")) for number in range(5)]
    for token in tokens:
        assert harness.answer(token) == "ok"
    cached = harness.token_verifier._presented
    assert [sha256(token.encode()).digest() in cached for token in tokens] == [False] * 2 + [True] * 3


def test_cached_tokens_are_not_tracked_by_the_garbage_collector(
    harness: VerifierHarness, signing_key: SigningKey
) -> None:
    """A collection stops the worker for as long as it takes to traverse all tracked objects."""
    token = signing_key.sign(access_claims(harness.clock(), sid="untracked-session"))
    assert harness.answer(token) == "ok"
    harness.presented.clear()
    for _ in range(2):  # first the roles are untracked, then the tuple that contains them
        gc.collect()
    tracked = [item for item in gc.get_objects() if isinstance(item, tuple) and "untracked-session" in item]
    assert tracked == []
    assert harness.answer(token) == "ok"


def test_a_token_that_differs_in_one_character_is_another_token(
    harness: VerifierHarness, signing_key: SigningKey
) -> None:
    token = signing_key.sign(access_claims(harness.clock()))
    assert harness.answer(token) == "ok"
    head, payload, signature = token.split(".")
    other = access_claims(harness.clock(), sub="root-id")
    forged = by_hand({}, json.loads(json.dumps(other))).split(".")[1]
    assert harness.answer(f"{head}.{forged}.{signature}") == "token_invalid"
    first = "B" if signature.startswith("A") else "A"
    assert harness.answer(f"{head}.{payload}.{first}{signature[1:]}") == "token_invalid"
    assert harness.answer(token) == "ok"


# --- keys --------------------------------------------------------------------------------------------------------


def test_two_keys_are_valid_together_until_one_is_removed(clock: MovableClock) -> None:
    old, new = SigningKey("old"), SigningKey("new")
    harness = VerifierHarness(clock, Publisher([old]))
    by_old = old.sign(access_claims(clock()))
    assert harness.answer(by_old) == "ok"
    harness.publisher.keys = [new, old]
    assert harness.answer(new.sign(access_claims(clock()))) == "ok"
    assert harness.answer(by_old) == "ok"
    harness.publisher.keys = [new]
    asyncio.run(harness.load())
    assert harness.answer(by_old) == "token_invalid"


def test_a_key_replaced_under_the_same_kid_is_used(clock: MovableClock, signing_key: SigningKey) -> None:
    harness = VerifierHarness(clock, Publisher([signing_key]))
    token = signing_key.sign(access_claims(clock()))
    assert harness.answer(token) == "ok"
    harness.publisher.keys = [SigningKey(signing_key.kid)]
    asyncio.run(harness.load())
    assert harness.answer(token) == "token_invalid"


def test_without_keys_a_token_is_refused_with_503(clock: MovableClock, signing_key: SigningKey) -> None:
    harness = VerifierHarness(clock, Publisher([signing_key], is_down=True))

    async def main() -> Refused:
        with pytest.raises(Refused) as refused:
            await harness.authenticate(signing_key.sign(access_claims(clock())))
        return refused.value

    assert asyncio.run(main()).status == 503
