"""Error codes: each has a status and a title, and is a whole problem details object (RFC 9457)."""

from typing import get_args

import pytest

from contract.problems import PROBLEMS, ProblemCode, Refused


def test_every_code_has_a_status_and_a_title() -> None:
    assert set(PROBLEMS) == set(get_args(ProblemCode))


@pytest.mark.parametrize("code", PROBLEMS)
def test_a_401_always_has_a_challenge(code: ProblemCode) -> None:
    """RFC 9110 15.5.2: a 401 has WWW-Authenticate. So has a 403 for a missing role (RFC 6750 3.1)."""
    refused = Refused(code)
    assert ("WWW-Authenticate" in refused.to_headers()) == (refused.status == 401 or code == "insufficient_scope")
    assert refused.to_members("id-1") == {
        "type": f"urn:sallyport:problem:{code}",
        "title": PROBLEMS[code].title,
        "status": PROBLEMS[code].status,
        "detail": PROBLEMS[code].title,
        "code": code,
        "request_id": "id-1",
    }
