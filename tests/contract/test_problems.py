"""Each error code has a status, a title, and all members of a problem details object (RFC 9457)."""

from typing import get_args

import pytest

from contract.problems import MAX_JITTER_SECONDS, PROBLEMS, ProblemCode, Refused, jittered_retry_after


def test_every_code_has_a_status_and_a_title() -> None:
    assert set(PROBLEMS) == set(get_args(ProblemCode))


@pytest.mark.parametrize("code", PROBLEMS)
def test_a_401_and_a_403_for_a_missing_role_have_a_challenge(code: ProblemCode) -> None:
    """RFC 9110 15.5.2, RFC 6750 3.1."""
    refused = Refused(code)
    assert ("WWW-Authenticate" in refused.to_headers()) == (refused.status == 401 or code == "insufficient_scope")


@pytest.mark.parametrize("code", PROBLEMS)
def test_problem_details_have_every_member(code: ProblemCode) -> None:
    assert Refused(code).to_members("id-1") == {
        "type": f"urn:sallyport:problem:{code}",
        "title": PROBLEMS[code].title,
        "status": PROBLEMS[code].status,
        "detail": PROBLEMS[code].title,
        "code": code,
        "request_id": "id-1",
    }


@pytest.mark.parametrize("seconds", [0, 1, 5, 10, 300])
def test_the_jitter_of_retry_after_exceeds_neither_the_wait_nor_ten_seconds(seconds: int) -> None:
    waits = {jittered_retry_after(seconds) for _ in range(500)}
    assert min(waits) >= seconds
    assert max(waits) <= seconds + min(seconds, MAX_JITTER_SECONDS)
    assert len(waits) > 1 or seconds == 0
