"""Refresh tokens of a Django project are exchanged for sessions of ours."""

import sqlite3
from pathlib import Path

from sqlalchemy import func, select

from auth_service.importing.imported_user import derived_id
from auth_service.services import services
from auth_service.storage.models import ForeignTokenRow, SessionRow, db
from tests.auth_service.forge import claims_of
from tests.auth_service.importing.moved_project import BLACKLISTED, TOKENS, TRANSITION, Project
from tests.auth_service.world import Operator, Person


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
