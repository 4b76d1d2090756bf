"""Five kinds of tokens, and the verifier of each: it accepts its own kind and rejects every other.

The four kinds that are signed with a secret share one secret here, so that only `typ` and audience distinguish them.
"""

from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from auth_service.tokens.reader import TokenReader
from auth_service.tokens.signing_keys import KeyRing, load_key_ring
from contract.claims import ACCESS_TYP, IDENTITY_TYP, REFRESH_AUDIENCE, REFRESH_TYP, InvalidToken
from contract.page_session import OFFER_AUDIENCE, OFFER_TYP, verify_offer
from contract.peer_token import PEER_TYP, verify_peer
from sallyport_service.assertion import InvalidAssertion, verify
from sallyport_service.keys import verification_key
from tests.clocks import MovableClock
from tests.gateway.access_tokens import SigningKey
from tests.gateway.tokens.verifier_harness import Publisher, VerifierHarness
from tests.watched import watched, watched_ring

NOW = 1_800_000_000
SECRET = "pR7vXq2LmZ9tBw4KcYd8NsHf3GjTe6UaQx1WoIy5"
USER = "4b1f0c7e-3f0e-4c1b-9a55-0d6d9d6c0b11"

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "access": (ACCESS_TYP, {"iss": "sallyport", "aud": "sallyport-api", "token_type": "access"}),
    "refresh": (REFRESH_TYP, {"iss": "sallyport", "aud": REFRESH_AUDIENCE, "token_type": "refresh"}),
    "identity": (IDENTITY_TYP, {"iss": "sallyport-gateway", "aud": "notes", "ver": 1}),
    "peer": (PEER_TYP, {"iss": "sallyport-gateway", "aud": "sallyport-internal"}),
    "offer": (OFFER_TYP, {"iss": "sallyport-gateway", "aud": OFFER_AUDIENCE, "new": "a" * 64}),
}
COMMON = {
    "iat": NOW,
    "exp": NOW + 60,
    "sub": USER,
    "user_id": USER,
    "sid": "session",
    "jti": "0" * 32,
    "generation": 1,
    "email": "ada@example.org",
    "roles": "user",
    "new": "b" * 64,
}

Sign = Callable[[str, dict[str, Any]], str]
Verify = Callable[[str], object]


@pytest.fixture(scope="module")
def ring() -> KeyRing:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return load_key_ring(key.private_bytes(*form).decode(), None)


@pytest.fixture(scope="module")
def signers(ring: KeyRing) -> dict[str, Sign]:
    """Return for each kind the function that signs claims under a `typ`."""
    kid = ring.signing.public.kid

    def with_key(typ: str, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, ring.signing.private_key, algorithm="RS256", headers={"typ": typ, "kid": kid})

    def with_secret(typ: str, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, SECRET, algorithm="HS256", headers={"typ": typ, "kid": kid})

    return {
        "access": with_key,
        "refresh": with_secret,
        "identity": with_secret,
        "peer": with_secret,
        "offer": with_secret,
    }


@pytest.fixture(scope="module")
def verifiers(ring: KeyRing) -> dict[str, list[Verify]]:
    """Return the verifiers of each kind; access tokens have two."""
    names = {"issuer": "sallyport", "audience": "sallyport-api"}
    reader = TokenReader(watched_ring(ring), watched(SECRET), **names, clock=lambda: NOW)
    return {
        "access": [_gateway_verifier(ring), reader.read_access],
        "refresh": [reader.read_refresh],
        "identity": [lambda token: verify(token, key=verification_key(SECRET), audience="notes", now=NOW)],
        "peer": [lambda token: verify_peer(token, SECRET, now=NOW)],
        "offer": [lambda token: verify_offer(token, SECRET, now=NOW)],
    }


def _gateway_verifier(ring: KeyRing) -> Verify:
    key = SigningKey(ring.signing.public.kid, ring.signing.private_key)

    def verify_at_the_gateway(token: str) -> None:
        code = VerifierHarness(MovableClock(NOW), Publisher([key])).answer(token)
        assert code in ("ok", "token_invalid")
        if code != "ok":
            raise InvalidToken(code)

    return verify_at_the_gateway


def accepts(verify_one: Verify, token: str) -> bool:
    """Return whether the verifier accepts `token`. Every error of another kind fails the test."""
    try:
        verify_one(token)
    except (InvalidToken, InvalidAssertion):
        return False
    return True


@pytest.mark.parametrize("verifier", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_verifier_accepts_its_own_kind_only(
    signers: dict[str, Sign], verifiers: dict[str, list[Verify]], kind: str, verifier: str
) -> None:
    typ, claims = KINDS[kind]
    token = signers[kind](typ, COMMON | claims)
    assert [accepts(one, token) for one in verifiers[verifier]] == [kind == verifier] * len(verifiers[verifier])


@pytest.mark.parametrize("verifier", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_typ_and_audience_are_each_checked(
    signers: dict[str, Sign], verifiers: dict[str, list[Verify]], kind: str, verifier: str
) -> None:
    """A token with the right `typ` or the right audience alone is rejected, under every key."""
    typ, claims = KINDS[kind]
    wanted_typ, wanted_claims = KINDS[verifier]
    for sign_one in signers.values():
        if kind != verifier:
            assert not any(accepts(one, sign_one(wanted_typ, COMMON | claims)) for one in verifiers[verifier])
            assert not any(accepts(one, sign_one(typ, COMMON | wanted_claims)) for one in verifiers[verifier])


@pytest.mark.parametrize("verifier", KINDS)
def test_each_kind_is_accepted_with_its_own_key_only(
    signers: dict[str, Sign], verifiers: dict[str, list[Verify]], verifier: str
) -> None:
    """An access token signed with a secret is rejected, and so are the other kinds signed with the signing key."""
    typ, claims = KINDS[verifier]
    sign_with_wrong_key = signers["refresh"] if verifier == "access" else signers["access"]
    assert not any(accepts(one, sign_with_wrong_key(typ, COMMON | claims)) for one in verifiers[verifier])


@pytest.mark.parametrize("verifier", KINDS)
@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "a.b", "a.b.c.d", "é.é.é", "e30.e30.", "x" * 9_000])
def test_every_verifier_rejects_malformed_tokens(
    verifiers: dict[str, list[Verify]], verifier: str, token: str
) -> None:
    assert not any(accepts(one, token) for one in verifiers[verifier])
