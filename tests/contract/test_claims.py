"""The claims that an access token must have, and how long it is accepted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.claims import (
    LEEWAY,
    AccessClaims,
    ExpiredToken,
    InvalidToken,
    read_access_claims,
)
from tests.gateway.access_tokens import access_claims

NOW = 1_800_000_000


def read(now: float = NOW, leeway: float = LEEWAY, exp_leeway: float = LEEWAY, **changed: Any) -> AccessClaims:
    claims = access_claims(NOW, **changed)
    return read_access_claims(
        claims, issuer="sallyport", audience="sallyport-api", now=now, leeway=leeway, exp_leeway=exp_leeway
    )


@pytest.mark.parametrize(
    "name", ["exp", "iat", "iss", "aud", "sub", "jti", "sid", "token_type", "generation", "email", "roles"]
)
@pytest.mark.parametrize(
    "value", [None, 7.5j, [], {}, True], ids=["null", "complex", "list", "object", "true"]
)  # no claim is complex
def test_a_missing_claim_or_one_of_another_type_is_rejected(name: str, value: object) -> None:
    changed: dict[str, Any] = {name: value}
    with pytest.raises(InvalidToken):
        read(**changed)


def test_roles_may_be_empty() -> None:
    assert read(roles="").roles == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"token_type": "refresh"},
        {"iss": "another"},
        {"aud": "notes"},
        {"aud": ["sallyport-api"]},
        {"generation": -1},
        {"generation": 2**53},
        {"generation": 1.0},
        {"exp": -1},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"iat": "now"},
        {"nbf": "now"},
        {"sub": "a\nb"},
        {"sid": ""},
        {"jti": "\x7f"},
    ],
    ids=repr,
)
def test_a_claim_with_a_wrong_value_is_rejected(changed: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        read(**changed)


def test_ten_seconds_of_clock_skew_are_tolerated() -> None:
    assert LEEWAY == 10
    read(now=NOW + 300 + 9.9)
    read(now=NOW - 10)
    read(nbf=NOW + 10)
    with pytest.raises(ExpiredToken):
        read(now=NOW + 300 + 10)
    with pytest.raises(InvalidToken, match="future"):
        read(now=NOW - 10.1)
    with pytest.raises(InvalidToken, match="not valid yet"):
        read(nbf=NOW + 10.1)


def test_claims_expire_at_exp_plus_the_leeway() -> None:
    claims = read()
    assert not claims.is_expired(NOW + 299.9)
    assert claims.is_expired(NOW + 300)
    assert not claims.is_expired(NOW + 309.9, leeway=10)
    assert claims.is_expired(NOW + 310, leeway=10)


def test_exp_has_its_own_leeway() -> None:
    read(now=NOW + 299.9, exp_leeway=0)
    read(now=NOW - 10, exp_leeway=0)
    with pytest.raises(ExpiredToken):
        read(now=NOW + 300, exp_leeway=0)
    with pytest.raises(InvalidToken, match="future"):
        read(now=NOW - 1, leeway=0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(access_claims(NOW))), JSON))
def test_claims_of_any_json_type_are_read_or_rejected_as_invalid(changed: dict[str, Any]) -> None:
    claims = access_claims(NOW) | changed
    try:
        found = read_access_claims(claims, issuer="sallyport", audience="sallyport-api", now=NOW)
    except InvalidToken:
        return
    assert all(text.isprintable() for text in (found.subject, found.session, found.jti, found.email, *found.roles))
