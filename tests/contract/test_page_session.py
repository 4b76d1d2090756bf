"""The offer with which the gateway tells the auth service the handles of a hosted page's form."""

import jwt
import pytest

from contract.claims import InvalidToken
from contract.page_session import (
    ENDED,
    OFFER_AUDIENCE,
    OFFER_TYP,
    SessionOffer,
    is_page,
    opened,
    opened_lifetime,
    sign_offer,
    verify_offer,
)

NOW = 1_800_000_000
SECRET = "hV3nKz8QwMb5RtXc2YfLs9DgJp6ThUa4EoIx7WyB"
NEW, CURRENT = "a" * 64, "0" * 64


@pytest.mark.parametrize("offer", [SessionOffer(NEW, None), SessionOffer(NEW, CURRENT)])
def test_the_auth_service_reads_what_the_gateway_signed(offer: SessionOffer) -> None:
    assert verify_offer(sign_offer(offer, SECRET, now=NOW), SECRET, now=NOW) == offer


def test_an_offer_expires_and_needs_its_secret() -> None:
    token = sign_offer(SessionOffer(NEW, None), SECRET, now=NOW)
    with pytest.raises(InvalidToken):
        verify_offer(token, SECRET, now=NOW + 71)
    with pytest.raises(InvalidToken):
        verify_offer(token, SECRET[::-1], now=NOW)


@pytest.mark.parametrize(
    "changed", [{"new": None}, {"new": "x"}, {"new": "A" * 64}, {"new": NEW + "\n"}, {"current": 1}, {"current": ""}]
)
def test_a_malformed_hash_is_rejected(changed: dict[str, object]) -> None:
    claims = {"iss": "sallyport-gateway", "aud": OFFER_AUDIENCE, "iat": NOW, "exp": NOW + 60, "new": NEW}
    verify_offer(jwt.encode(claims, SECRET, "HS256", {"typ": OFFER_TYP}), SECRET, now=NOW)
    with pytest.raises(InvalidToken):
        verify_offer(jwt.encode(claims | changed, SECRET, "HS256", {"typ": OFFER_TYP}), SECRET, now=NOW)


def test_a_change_carries_the_lifetime_of_the_cookie() -> None:
    assert opened_lifetime(opened(31_536_000)) == 31_536_000
    for other in (ENDED, "", "opened", "opened -1", "opened 1; x", "opened 1\n", "opened \u0661"):
        assert opened_lifetime(other) is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/auth/login", True),
        ("/auth/login/", True),
        ("/auth/account/sessions/", True),
        ("/auth/password/reset/confirm/uid/token", True),
        ("/auth/loginx/", False),
        ("/auth/users/me/", False),
        ("/auth/jwt/create/", False),
        ("/auth/logout/", False),
        ("/auth/", False),
        ("/login/", False),
        ("/x/auth/login/", False),
        ("auth/login", False),
        ("", False),
    ],
)
def test_the_paths_of_pages_are_known_by_their_first_segments(path: str, expected: bool) -> None:
    assert is_page(path) == expected
