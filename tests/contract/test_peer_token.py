"""Peer tokens authenticate the gateway to the auth service for one minute."""

import jwt
import pytest

from contract.claims import InvalidToken
from contract.peer_token import PEER_AUDIENCE, PEER_TYP, sign_peer, verify_peer

NOW = 1_800_000_000
SECRET = "hV3nKz8QwMb5RtXc2YfLs9DgJp6ThUa4EoIx7WyB"


@pytest.mark.parametrize(("age", "is_accepted"), [(-11, False), (-10, True), (0, True), (69, True), (70, False)])
def test_a_peer_token_is_valid_for_one_minute(age: int, is_accepted: bool) -> None:
    """Plus ten seconds of clock skew in each direction."""
    token = sign_peer(SECRET, now=NOW)
    if is_accepted:
        verify_peer(token, SECRET, now=NOW + age)
    else:
        with pytest.raises(InvalidToken):
            verify_peer(token, SECRET, now=NOW + age)


def test_the_secret_itself_is_never_sent() -> None:
    assert SECRET not in sign_peer(SECRET, now=NOW)


@pytest.mark.parametrize(
    "changed", [{"iss": "x"}, {"aud": "x"}, {"exp": "x"}, {"iat": True}, {"aud": [PEER_AUDIENCE]}], ids=repr
)
def test_a_wrong_claim_is_rejected(changed: dict[str, object]) -> None:
    claims = {"iss": "sallyport-gateway", "aud": PEER_AUDIENCE, "iat": NOW, "exp": NOW + 60}
    verify_peer(jwt.encode(claims, SECRET, "HS256", {"typ": PEER_TYP}), SECRET, now=NOW)
    with pytest.raises(InvalidToken):
        verify_peer(jwt.encode(claims | changed, SECRET, "HS256", {"typ": PEER_TYP}), SECRET, now=NOW)


def test_another_secret_is_rejected() -> None:
    with pytest.raises(InvalidToken):
        verify_peer(sign_peer(SECRET[::-1], now=NOW), SECRET, now=NOW)


@pytest.mark.parametrize("payload", [b"[]", b"null", b"{", b"[" * 3_000])
def test_a_signed_payload_that_is_not_an_object_is_rejected(payload: bytes) -> None:
    token = jwt.api_jws.encode(payload, SECRET, algorithm="HS256", headers={"typ": PEER_TYP})
    with pytest.raises(InvalidToken):
        verify_peer(token, SECRET, now=NOW)
