"""Access tokens of a Django project are good until they expire, and forged ones are refused."""

from typing import Any

import pytest

from tests.auth_service.forge import claims_of
from tests.auth_service.importing.moved_project import TOKENS, Project
from tests.auth_service.importing.recorded import (
    SECRET,
)


def test_an_access_token_is_good_until_it_expires(project: Project) -> None:
    me = project.person.me(TOKENS.access)
    assert (me.status_code, (me.json or {})["email"]) == (200, "ann@example.org")
    project.clock.move(1_780)
    assert project.person.me(TOKENS.access).status_code == 200
    project.clock.move(20)

    expired = project.person.me(TOKENS.access)

    assert expired.status_code == 401
    assert expired.json
    assert expired.json["messages"][0]["message"] == "Token is expired"


def test_an_access_token_opens_one_session_that_ends_with_it(project: Project) -> None:
    for _ in range(3):
        assert project.person.me(TOKENS.access).status_code == 200

    (session,) = project.sessions()
    assert session.expires_at == claims_of(TOKENS.access)["exp"]


def test_an_access_token_is_no_refresh_token_and_vice_versa(project: Project) -> None:
    assert (project.person.refresh_with(TOKENS.access).json or {})["detail"] == "Token has wrong type"
    assert project.person.me(TOKENS.refresh).status_code == 401


@pytest.mark.parametrize("token", [TOKENS.access, TOKENS.refresh])
def test_tokens_are_verified_without_opening_a_session(project: Project, token: str) -> None:
    assert project.person.verify(token).status_code == 200
    assert project.person.verify(TOKENS.blacklisted).status_code == 400
    assert project.sessions() == []


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"jti": None},
        {"jti": 5},
        {"jti": "x" * 300},
        {"iat": None},
        {"iat": 4_000_000_000},
        {"user_id": None},
        {"user_id": True},
        {"user_id": ["1"]},
        {"user_id": ""},
        {"token_type": None},
        {"token_type": "sliding"},
        {"iss": "another"},
        {"aud": "another"},
        {"aud": ["another"]},
    ],
)
def test_a_token_with_unusable_claims_is_refused(project: Project, changed: dict[str, Any]) -> None:
    token = project.token(**changed)

    assert project.person.me(token).status_code == 401
    assert project.person.refresh_with(token).status_code == 401
    assert project.person.verify(token).status_code == 401
    assert project.sessions() == []


def test_another_secret_and_another_algorithm_are_refused(project: Project) -> None:
    claims = {"token_type": "access", "exp": int(project.clock()) + 600}
    forged = [
        project.sign(claims, SECRET + "x"),
        project.sign(claims, SECRET.ljust(64, "x"), algorithm="HS512"),
        project.sign(claims, headers={"typ": "at+jwt"}),
        project.sign(claims, headers={"typ": "refresh+jwt"}),
        project.sign(claims, headers={"crit": ["x"]}),
    ]
    assert project.person.me(project.sign(claims)).status_code == 200
    for token in forged:
        assert project.person.me(token).status_code == 401


def test_our_own_secrets_do_not_sign_tokens_of_the_project(project: Project, environ: dict[str, str]) -> None:
    claims = {"token_type": "access", "exp": int(project.clock()) + 600}
    for name in ("REFRESH_SECRET", "PEER_SECRET"):
        assert project.person.me(project.sign(claims, environ[name])).status_code == 401
