"""Clients with tokens of a Django project go on working after the move, and get tokens of ours."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
from flask import Flask
from sqlalchemy import func, select

from auth_service.importing.imported_user import derived_id
from auth_service.services import services
from auth_service.storage.models import ForeignTokenRow, SessionRow, db
from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import claims_of
from tests.auth_service.importing.conftest import Import
from tests.auth_service.importing.recorded import (
    PASSWORD,
    SECRET,
    RecordedTokens,
    django_database,
    recorded_tokens,
)
from tests.auth_service.world import Operator, Person
from tests.clocks import MovableClock

TOKENS = recorded_tokens("django_auth")
TRANSITION = {"SIMPLEJWT_SECRET": SECRET, "SIMPLEJWT_UNTIL": "2030-01-01"}
BLACKLISTED = {"detail": "Token is blacklisted", "code": "token_not_valid"}


@dataclass
class Project:
    """A project whose users were imported. Its clients still have their tokens."""

    make_app: MakeApp
    clock: MovableClock
    app: Flask
    person: Person
    tokens: RecordedTokens = TOKENS
    settings: dict[str, str] = field(default_factory=lambda: dict(TRANSITION))

    def sessions(self) -> list[SessionRow]:
        """Return the stored sessions."""
        with self.app.app_context():
            return list(db.session.scalars(select(SessionRow).order_by(SessionRow.created_at)))

    def token(self, **changed: Any) -> str:
        """Return an access token of the project, with changed claims; None removes one."""
        return self.sign({"token_type": "access", "exp": int(self.clock()) + 1_800, **changed})

    def sign(self, claims: dict[str, Any], secret: str = SECRET, **options: Any) -> str:
        """Return a token with these claims and a new jti."""
        whole = {"iat": int(self.clock()), "jti": f"{len(claims)}{self.clock()}", "user_id": "1", **claims}
        kept = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(kept, secret, algorithm=options.pop("algorithm", "HS256"), **options)


@pytest.fixture
def project(make_app: MakeApp, import_users: Import, clock: MovableClock, tmp_path: Path) -> Project:
    import_users("django", "--database", f"sqlite:///{django_database(tmp_path)}")
    clock.now = TOKENS.issued_at + 10.0
    app = make_app(**TRANSITION)
    return Project(make_app, clock, app, Person(app.test_client(), "ann@example.org", PASSWORD))


# --- refresh tokens ---


def test_a_refresh_token_is_exchanged_for_a_session(project: Project) -> None:
    response = project.person.refresh_with(TOKENS.refresh)

    assert response.status_code == 200
    assert response.json
    access, refresh = claims_of(response.json["access"]), claims_of(response.json["refresh"])
    assert access["user_id"] == refresh["user_id"] == str(derived_id("django", "1"))
    assert (access["email"], access["roles"]) == ("ann@example.org", "staff")
    (session,) = project.sessions()
    assert session.id == access["sid"] == refresh["sid"]
    assert project.person.me(response.json["access"]).status_code == 200
    audit = project.person.call("GET", "/auth/audit/", access=response.json["access"]).json
    assert audit
    assert [record["event"] for record in audit["results"]] == ["session_moved_in"]


def test_the_new_tokens_rotate_like_others(project: Project) -> None:
    pair = project.person.refresh_with(TOKENS.refresh).json
    assert pair
    for generation in (1, 2):
        project.clock.move(3_600)
        response = project.person.refresh_with(pair["refresh"])
        assert response.status_code == 200
        pair = response.json
        assert pair
        assert claims_of(pair["refresh"])["generation"] == generation
    assert len(project.sessions()) == 1


def test_tabs_and_lost_answers_get_the_same_session(project: Project) -> None:
    first = project.person.refresh_with(TOKENS.refresh).json
    project.clock.move(86_400)  # the answer was lost, and the app is opened again a day later
    second = project.person.refresh_with(TOKENS.refresh).json

    assert first
    assert second
    assert claims_of(first["refresh"])["jti"] == claims_of(second["refresh"])["jti"]
    assert len(project.sessions()) == 1
    assert project.person.refresh_with(second["refresh"]).status_code == 200


def test_a_client_that_never_stores_the_new_refresh_token_goes_on_working(project: Project) -> None:
    """simplejwt does not rotate by default; such clients read `access` only."""
    for _ in range(100):
        project.clock.move(86_400)
        response = project.person.refresh_with(TOKENS.refresh)
        assert response.status_code == 200
        assert response.json
        assert project.person.me(response.json["access"]).status_code == 200
    assert len(project.sessions()) == 1


def test_a_replay_after_the_exchange_ends_the_session(project: Project, operator: Operator) -> None:
    pair = project.person.refresh_with(TOKENS.refresh).json
    assert pair
    newest = project.person.refresh_with(pair["refresh"]).json
    assert newest
    operator.record_use(newest["access"])
    project.clock.move(60)

    replay = project.person.refresh_with(TOKENS.refresh)

    assert (replay.status_code, replay.json) == (401, BLACKLISTED)
    assert project.person.refresh_with(newest["refresh"]).status_code == 401
    assert project.person.me(newest["access"]).status_code == 401


def test_two_refresh_tokens_are_two_sessions(project: Project) -> None:
    for token in (TOKENS.refresh, TOKENS.second_refresh):
        assert project.person.refresh_with(token).status_code == 200
    assert len({session.id for session in project.sessions()}) == 2


def test_a_token_that_the_project_blacklisted_is_refused(project: Project) -> None:
    response = project.person.refresh_with(TOKENS.blacklisted)

    assert (response.status_code, response.json) == (401, BLACKLISTED)
    assert project.sessions() == []


def test_logging_out_ends_a_token_that_was_never_exchanged(project: Project) -> None:
    project.person.refresh = TOKENS.refresh
    assert project.person.log_out().status_code == 200

    assert project.person.refresh_with(TOKENS.refresh).json == BLACKLISTED
    assert project.person.log_out().status_code == 401
    assert project.person.refresh_with(TOKENS.second_refresh).status_code == 200


def log_out_everywhere(project: Project) -> None:
    """End all sessions of the user with a session of another device."""
    project.person.log_in()
    response = project.person.call("POST", "/auth/sessions/logout-all/")
    assert response.status_code in (200, 204), response.json


def change_password(project: Project) -> None:
    """Change the password on another device."""
    project.person.log_in()
    assert project.person.set_password("an0ther-Pass").status_code == 204


def deactivate_and_activate(project: Project) -> None:
    """Bar the user and lift that."""
    operator = Operator(project.app)
    operator.deactivate("ann@example.org")
    operator.activate("ann@example.org")


def set_roles(project: Project) -> None:
    """Change the roles, which ends all sessions."""
    Operator(project.app).grant("ann@example.org", "editor")


@pytest.mark.parametrize("end", [log_out_everywhere, change_password, deactivate_and_activate, set_roles])
@pytest.mark.parametrize("was_exchanged", [False, True])
def test_the_end_of_all_sessions_ends_tokens_of_the_project_too(
    project: Project, end: Callable[[Project], None], was_exchanged: bool
) -> None:
    if was_exchanged:
        assert project.person.refresh_with(TOKENS.refresh).status_code == 200
        assert project.person.me(TOKENS.access).status_code == 200
    end(project)

    assert project.person.refresh_with(TOKENS.refresh).status_code == 401
    assert project.person.me(TOKENS.access).status_code == 401
    assert project.person.verify(TOKENS.refresh).status_code == 400


def test_a_token_issued_after_that_is_accepted(project: Project) -> None:
    """The old server may run a little longer."""
    deactivate_and_activate(project)
    project.clock.move(5)

    token = project.sign({"token_type": "refresh", "exp": int(project.clock()) + 10_000})

    assert project.person.refresh_with(token).status_code == 200


def test_a_barred_and_a_deleted_user_are_refused(project: Project, operator: Operator) -> None:
    operator.deactivate("ann@example.org")
    refused = project.person.refresh_with(TOKENS.refresh)
    assert (refused.status_code, refused.json) == (
        401,
        {"detail": "No active account found for the given token."},
    )
    assert (project.person.me(TOKENS.access).json or {})["code"] == "user_inactive"
    with project.app.app_context():
        user = services().users.find_by_email("ann@example.org")
        assert user
        services().users.delete(user, services().clock())

    assert project.person.refresh_with(TOKENS.refresh).status_code == 401
    assert (project.person.me(TOKENS.access).json or {})["code"] == "user_not_found"


def test_a_user_who_was_not_imported_is_refused(project: Project) -> None:
    for user_id in ("99", 99, "10", str(derived_id("django", "1"))):
        token = project.sign({"token_type": "refresh", "exp": int(project.clock()) + 10_000, "user_id": user_id})
        assert project.person.refresh_with(token).status_code == 401


# --- access tokens ---


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


# --- forgeries and the end of the transition ---


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


def test_tokens_that_were_used_are_deleted_after_they_expired(project: Project) -> None:
    project.person.refresh_with(TOKENS.refresh)
    count = select(func.count()).select_from(ForeignTokenRow)

    def run_retention(now: float) -> int:
        project.clock.now = now
        with project.app.app_context():
            services().retention.run_once()
            return db.session.scalar(count) or 0

    expires_at = claims_of(TOKENS.refresh)["exp"]
    assert run_retention(expires_at + 3_600.0) == 2
    assert run_retention(expires_at + 2 * 86_400.0) == 0


def test_a_session_that_retention_has_deleted_is_not_opened_again(project: Project) -> None:
    """REFRESH_TOKEN_LIFETIME may be shorter than the lifetime of the project's tokens."""
    app = project.make_app(**TRANSITION, REFRESH_TOKEN_LIFETIME="3600")
    person = Person(app.test_client())
    person.refresh = TOKENS.refresh
    assert person.log_out().status_code == 200
    project.clock.move(3 * 86_400)
    with app.app_context():
        services().retention.run_once()
        assert db.session.scalars(select(SessionRow)).all() == []

    assert person.refresh_with(TOKENS.refresh).json == BLACKLISTED


def test_tokens_are_not_stored(project: Project, database: Path) -> None:
    project.person.refresh_with(TOKENS.refresh)
    project.person.me(TOKENS.access)
    with sqlite3.connect(database) as connection:
        dump = "\n".join(connection.iterdump())
    for token in (TOKENS.refresh, TOKENS.access, TOKENS.blacklisted):
        assert token not in dump
        assert claims_of(token)["jti"] not in dump
