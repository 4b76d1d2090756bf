"""POST /auth/jwt/refresh/: rotation, lost responses and replays."""

from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from auth_service.storage.models import SessionRow, db
from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import Forge, claims_of
from tests.auth_service.world import Operator, Person
from tests.clocks import MovableClock

DAY = 86_400
BLACKLISTED = {"detail": "Token is blacklisted", "code": "token_not_valid"}


def new_person(client: FlaskClient) -> Person:
    person = Person(client, "new@example.org")
    person.register()
    person.log_in()
    return person


def test_a_refresh_returns_a_new_pair_of_the_same_session(ann: Person) -> None:
    first = claims_of(ann.refresh)
    response = ann.refresh_tokens()
    assert response.status_code == 200
    assert set(response.json or {}) == {"access", "refresh"}
    assert response.headers["Cache-Control"] == "no-store"
    second, access = claims_of(ann.refresh), claims_of(ann.access)
    assert second["jti"] != first["jti"]
    assert (first["generation"], second["generation"], access["generation"]) == (0, 1, 1)
    assert first["sid"] == second["sid"] == access["sid"]
    assert ann.me().status_code == 200


def test_a_repeated_refresh_returns_the_same_successor(ann: Person, clock: MovableClock) -> None:
    """If the response was lost: the same bytes, even days later, until the successor is used."""
    lost = ann.refresh_with(ann.refresh).json
    clock.move(3 * DAY)
    again = ann.refresh_with(ann.refresh).json
    assert lost
    assert again
    assert again["refresh"] == lost["refresh"]
    assert again["access"] != lost["access"]


def test_an_old_token_within_the_grace_time_returns_the_newest_token(ann: Person, clock: MovableClock) -> None:
    oldest = ann.refresh
    for _ in range(3):
        ann.refresh_tokens()
        clock.move(2)
    response = ann.refresh_with(oldest)
    assert response.json
    assert response.json["refresh"] == ann.refresh


def test_the_ninth_refresh_within_the_grace_time_returns_the_same_token(ann: Person) -> None:
    """A session rotates at most eight times within the grace time."""
    for _ in range(8):
        ann.refresh_tokens()
    before = ann.refresh
    assert ann.refresh_tokens().status_code == 200
    assert ann.refresh == before


def test_a_replay_after_the_grace_time_ends_the_session(ann: Person, clock: MovableClock) -> None:
    """The successor was used, so two clients have tokens of the session, and one of them may be a thief."""
    stolen = ann.refresh
    ann.refresh_tokens()
    assert ann.me().status_code == 200
    clock.move(11)
    response = ann.refresh_with(stolen)
    assert (response.status_code, response.json) == (401, BLACKLISTED)
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    assert ann.refresh_with(ann.refresh).json == BLACKLISTED
    assert ann.me().status_code == 401
    assert ann.verify(ann.refresh).status_code == 400


def test_after_a_restore_a_client_that_refreshed_after_the_backup_stays_logged_in(
    make_app: MakeApp, clock: MovableClock
) -> None:
    person = new_person(make_app().test_client())
    used = person.refresh
    for _ in range(3):
        clock.move(60)
        person.refresh_tokens()
    sid = claims_of(person.refresh)["sid"]
    clock.move(60)
    restored = make_app(DATABASE_RESTORED_AT=datetime.fromtimestamp(clock(), UTC).isoformat())
    with restored.app_context():
        row = db.session.get_one(SessionRow, sid)
        row.generation, row.seen_generation, row.recent_rotations = 1, 1, []
        db.session.commit()
    person.client = restored.test_client()
    person.refresh_tokens()
    assert claims_of(person.refresh)["generation"] == 4
    assert person.me().status_code == 200
    clock.move(60)
    assert person.refresh_with(used).json == BLACKLISTED
    assert person.refresh_with(person.refresh).json == BLACKLISTED


def test_strict_mode_refuses_a_used_token_at_once(make_app: MakeApp) -> None:
    person = new_person(make_app(REFRESH_GRACE="0", REFRESH_CONFIRM="off").test_client())
    used = person.refresh
    person.refresh_tokens()
    assert person.refresh_with(used).json == BLACKLISTED


def test_rotation_does_not_extend_the_absolute_lifetime(make_app: MakeApp, clock: MovableClock) -> None:
    person = new_person(make_app(SESSION_LIFETIME=str(3 * DAY), REFRESH_TOKEN_LIFETIME=str(2 * DAY)).test_client())
    logged_in_at = clock()
    clock.move(1.5 * DAY)
    person.refresh_tokens()
    assert claims_of(person.refresh)["exp"] == logged_in_at + 3 * DAY
    clock.move(1.5 * DAY)
    response = person.refresh_tokens()
    assert (response.status_code, response.json) == (401, {"detail": "Token is expired", "code": "token_not_valid"})


def test_an_idle_session_expires(make_app: MakeApp, clock: MovableClock) -> None:
    person = new_person(make_app(REFRESH_TOKEN_LIFETIME=str(2 * DAY)).test_client())
    clock.move(2 * DAY)
    response = person.refresh_tokens()
    assert response.json == {"detail": "Token is expired", "code": "token_not_valid"}


def test_an_expired_refresh_token_requires_a_new_log_in(make_app: MakeApp, clock: MovableClock) -> None:
    """Each wait is a second longer than the lifetime and the ten seconds of tolerated clock skew."""
    person = new_person(make_app(ACCESS_TOKEN_LIFETIME="300", REFRESH_TOKEN_LIFETIME="600").test_client())
    clock.move(311)
    assert person.me().status_code == 401
    assert person.refresh_tokens().status_code == 200
    assert person.me().status_code == 200
    clock.move(611)
    assert person.me().status_code == 401
    assert person.refresh_tokens().status_code == 401
    assert person.log_in().status_code == 200


def test_a_refresh_ignores_the_authorization_header(ann: Person) -> None:
    response = ann.call("POST", "/auth/jwt/refresh/", access="stale", json={"refresh": ann.refresh})
    assert response.status_code == 200


def test_a_token_of_an_unknown_session_is_invalid(ann: Person, forge: Forge) -> None:
    response = ann.refresh_with(forge.alter(ann.refresh, sid="0" * 32))
    assert (response.status_code, response.json) == (401, {"detail": "Token is invalid", "code": "token_not_valid"})


def test_a_token_whose_user_and_session_do_not_match_is_invalid(ann: Person, bob: Person, forge: Forge) -> None:
    crossed = forge.alter(ann.refresh, sub=bob.id, user_id=bob.id)
    assert ann.refresh_with(crossed).status_code == 401
    assert ann.refresh_tokens().status_code == 200


def test_a_change_of_roles_ends_the_session(ann: Person, operator: Operator) -> None:
    """Tokens contain the roles, so the user must log in again to receive the new roles."""
    operator.grant(ann.email, "staff", "beta")
    assert ann.refresh_tokens().status_code == 401
    ann.log_in()
    ann.refresh_tokens()
    assert claims_of(ann.access)["roles"] == "staff beta"


@pytest.mark.parametrize("used_by", ["a gateway's report", "this service", "its own refresh"])
def test_the_use_of_a_successor_makes_its_predecessor_a_replay(
    ann: Person, clock: MovableClock, operator: Operator, used_by: str
) -> None:
    """However the service learns that the successor was used."""
    used = ann.refresh
    ann.refresh_tokens()
    match used_by:
        case "a gateway's report":
            operator.record_use(ann.access)
        case "this service":
            ann.me()
        case _:
            ann.refresh_tokens()
    clock.move(11)
    assert ann.refresh_with(used).status_code == 401
