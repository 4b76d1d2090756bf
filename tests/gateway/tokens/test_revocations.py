"""Tokens of revoked sessions and subjects are refused, and expired revocations are evicted."""

from typing import Literal

import pytest

from contract.problems import Refused
from contract.revocation import Revocation
from gateway.tokens.revocations import MAX_EVICTIONS, MAX_FEED_AGE_SECONDS, Revocations
from tests.gateway.access_tokens import read_claims

NOW = 1_800_000_000
LIFETIME = 300


@pytest.fixture
def revocations() -> Revocations:
    return Revocations(fail_closed=False)


def revoked(kind: Literal["sid", "sub"], value: str, at: int) -> Revocation:
    """Return a revocation that is needed for LIFETIME seconds."""
    return Revocation(kind, value, at, at + LIFETIME)


def is_refused(revocations: Revocations, now: float = NOW, **claims: object) -> bool:
    """Return whether a token with these claims was revoked."""
    try:
        revocations.check(read_claims(**claims), now)
    except Refused as refused:
        return refused.code == "token_revoked"
    return False


def test_every_token_of_a_revoked_session_is_refused(revocations: Revocations) -> None:
    revocations.add(revoked("sid", "ada-session", NOW))
    assert is_refused(revocations, issued_at=NOW - 100)
    assert is_refused(revocations, issued_at=NOW + 100)
    assert not is_refused(revocations, session="another")


def test_tokens_issued_after_the_revocation_of_a_subject_are_accepted(revocations: Revocations) -> None:
    """After a password change the user logs in again. Tokens of the same second are refused."""
    revocations.add(revoked("sub", "ada-id", NOW))
    assert is_refused(revocations, issued_at=NOW - 1)
    assert is_refused(revocations, issued_at=NOW)
    assert not is_refused(revocations, issued_at=NOW + 1)
    assert not is_refused(revocations, subject="bob-id", issued_at=NOW - 1)


def test_a_session_and_a_subject_with_the_same_id_are_revoked_separately(revocations: Revocations) -> None:
    revocations.add(revoked("sub", "ada-session", NOW))
    revocations.add(revoked("sid", "ada-id", NOW))
    assert not is_refused(revocations)


def test_revocations_may_be_added_in_any_order_and_repeatedly(revocations: Revocations) -> None:
    for at in (NOW, NOW - 50, NOW):
        revocations.add(revoked("sub", "ada-id", at))
    assert is_refused(revocations, issued_at=NOW)
    assert len(revocations) == 1


def test_a_revocation_is_evicted_when_its_tokens_have_expired(revocations: Revocations) -> None:
    """After the leeway of ten seconds, for which expired tokens are accepted."""
    revocations.add(revoked("sid", "ada-session", NOW))
    revocations.add(revoked("sub", "ada-id", NOW))
    revocations.evict_expired(NOW + LIFETIME + 10)
    assert len(revocations) == 2
    revocations.evict_expired(NOW + LIFETIME + 11)
    assert len(revocations) == 0


def test_a_repeated_revocation_is_evicted_by_its_later_expiry(revocations: Revocations) -> None:
    revocations.add(revoked("sub", "ada-id", NOW))
    revocations.add(revoked("sub", "ada-id", NOW + 100))
    revocations.evict_expired(NOW + LIFETIME + 11)
    assert is_refused(revocations, issued_at=NOW + 100)
    revocations.evict_expired(NOW + LIFETIME + 111)
    assert len(revocations) == 0


def test_eviction_is_bounded_and_in_the_order_of_expiry(revocations: Revocations) -> None:
    """No request waits for a large eviction, and an entry with a wrong late expiry does not keep the others."""
    revocations.add(revoked("sid", "from the future", NOW + 1_000_000))
    for number in range(MAX_EVICTIONS + 2):
        revocations.add(revoked("sid", f"session-{number}", NOW - number))
    revocations.evict_expired(NOW + LIFETIME + 11)
    assert len(revocations) == 3
    assert is_refused(revocations, session="session-0")
    revocations.evict_expired(NOW + LIFETIME + 11)
    assert len(revocations) == 1


def test_fail_closed_answers_503_if_the_feed_was_not_read_for_too_long() -> None:
    """503 and not 401, because the client would drop a valid token."""
    revocations = Revocations(fail_closed=True)
    with pytest.raises(Refused) as refused:
        revocations.check(read_claims(), NOW)
    assert refused.value.status == 503
    revocations.mark_current(NOW)
    revocations.check(read_claims(), NOW + MAX_FEED_AGE_SECONDS)
    with pytest.raises(Refused):
        revocations.check(read_claims(), NOW + MAX_FEED_AGE_SECONDS + 0.1)


def test_fail_open_accepts_tokens_however_long_ago_the_feed_was_read(revocations: Revocations) -> None:
    revocations.mark_current(NOW)
    revocations.check(read_claims(), NOW + 1_000_000)
