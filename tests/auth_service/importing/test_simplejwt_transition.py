"""The settings of the transition from a Django project, and its end."""

from pathlib import Path

import pytest

from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import claims_of
from tests.auth_service.importing.conftest import Import
from tests.auth_service.importing.moved_project import TOKENS, TRANSITION, Project
from tests.auth_service.importing.recorded import (
    SECRET,
    django_database,
    recorded_tokens,
)
from tests.auth_service.world import Person
from tests.clocks import MovableClock


def test_after_the_transition_no_token_of_the_project_is_accepted(project: Project) -> None:
    pair = project.person.refresh_with(TOKENS.refresh).json
    assert pair
    ended = project.make_app(**TRANSITION | {"SIMPLEJWT_UNTIL": "2026-11-28T00:00:00Z"})
    person = Person(ended.test_client())

    refused = person.refresh_with(TOKENS.refresh)

    assert (refused.status_code, refused.json) == (401, {"detail": "Token is expired", "code": "token_not_valid"})
    assert person.me(TOKENS.access).status_code == 401
    assert person.refresh_with(pair["refresh"]).status_code == 200, "sessions that were moved go on"


def test_without_the_setting_no_token_of_the_project_is_accepted(project: Project) -> None:
    person = Person(project.make_app().test_client())

    assert (person.refresh_with(TOKENS.refresh).json or {})["detail"] == "Token is invalid"
    assert person.me(TOKENS.access).status_code == 401


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"SIMPLEJWT_SECRET": SECRET}, "SIMPLEJWT_SECRET needs SIMPLEJWT_UNTIL"),
        ({"SIMPLEJWT_UNTIL": "2099-01-01"}, "SIMPLEJWT_UNTIL needs SIMPLEJWT_SECRET"),
        (TRANSITION | {"SIMPLEJWT_SECRET": "short"}, "SIMPLEJWT_SECRET"),
        (TRANSITION | {"SIMPLEJWT_UNTIL": "soon"}, "SIMPLEJWT_UNTIL must be a date or a time"),
        (TRANSITION | {"SIMPLEJWT_ALGORITHM": "none"}, "SIMPLEJWT_ALGORITHM"),
    ],
)
def test_wrong_settings_stop_the_start(make_app: MakeApp, settings: dict[str, str], message: str) -> None:
    with pytest.raises(Exception, match=message) as refusal:
        make_app(**settings)
    assert SECRET not in str(refusal.value)


def test_issuer_audience_claim_and_algorithm_of_the_project(project: Project) -> None:
    settings = {
        "SIMPLEJWT_ALGORITHM": "HS384",
        "SIMPLEJWT_ISSUER": "shop",
        "SIMPLEJWT_AUDIENCE": "shop-api",
        "SIMPLEJWT_USER_ID_CLAIM": "uid",
    }
    person = Person(project.make_app(**TRANSITION | settings).test_client())
    claims = {"token_type": "access", "exp": int(project.clock()) + 600, "user_id": None}
    party = {"iss": "shop", "aud": "shop-api", "uid": 1}

    assert person.me(project.sign(claims | party, algorithm="HS384")).status_code == 200
    for name in party:
        lacking = {key: value for key, value in party.items() if key != name}
        assert person.me(project.sign(claims | lacking, algorithm="HS384")).status_code == 401
    assert person.me(project.sign(claims | party)).status_code == 401


def test_uuid_ids_of_a_custom_user_model(
    make_app: MakeApp, import_users: Import, clock: MovableClock, tmp_path: Path
) -> None:
    tokens = recorded_tokens("django_people")
    columns = ["email=mail", "is_active=is_enabled", "created_at=joined", "first_name=", "last_name="]
    mapping = [word for column in columns for word in ("--column", column)]
    database = f"sqlite:///{django_database(tmp_path, 'django_people')}"
    flag = ["--role", "is_editor=editor", "--name", "people"]
    import_users("django", "--database", database, "--table", "people_person", *mapping, *flag)
    clock.now = tokens.issued_at + 10.0
    person = Person(make_app(**TRANSITION, SIMPLEJWT_SOURCE="people").test_client())

    response = person.refresh_with(tokens.refresh)

    assert response.status_code == 200
    assert response.json
    assert claims_of(response.json["access"])["user_id"] == tokens.user_id
    assert person.me(tokens.access).status_code == 200
