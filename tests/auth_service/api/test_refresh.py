"""POST /auth/jwt/refresh/ as a client meets it."""

import pytest
from flask.testing import FlaskClient

from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import Forge, claims_of
from tests.auth_service.world import Operator, Person
from tests.clocks import MovableClock

DAY = 86_400
BLACKLISTED = {"detail": "Token is blacklisted", "code": "token_not_valid"}


def newcomer(client: FlaskClient) -> Person:
    person = Person(client, "new@example.org")
    person.register()
    person.log_in()
    return person


def test_a_refresh_gives_a_new_pair_of_the_same_session(ann: Person) -> None:
    first = claims_of(ann.refresh)
    answer = ann.refresh_tokens()
    assert answer.status_code == 200
    assert set(answer.json or {}) == {"access", "refresh"}
    assert answer.headers["Cache-Control"] == "no-store"
    second, access = claims_of(ann.refresh), claims_of(ann.access)
    assert second["jti"] != first["jti"]
    assert (first["generation"], second["generation"], access["generation"]) == (0, 1, 1)
    assert first["sid"] == second["sid"] == access["sid"]
    assert ann.me().status_code == 200


def test_a_lost_answer_is_made_up_for_by_the_same_successor(ann: Person, clock: MovableClock) -> None:
    """R14: to the byte, at once or days later, as long as nobody used it."""
    lost = ann.refresh_with(ann.refresh).json
    clock.move(3 * DAY)
    again = ann.refresh_with(ann.refresh).json
    assert lost
    assert again
    assert again["refresh"] == lost["refresh"]
    assert again["access"] != lost["access"]


def test_a_straggler_inside_the_grace_time_gets_the_newest_token(ann: Person, clock: MovableClock) -> None:
    oldest = ann.refresh
    for _ in range(3):
        ann.refresh_tokens()
        clock.move(2)
    answer = ann.refresh_with(oldest)
    assert answer.json
    assert answer.json["refresh"] == ann.refresh


def test_a_ninth_refresh_inside_the_grace_time_gives_the_same_token(ann: Person) -> None:
    for _ in range(8):
        ann.refresh_tokens()
    before = ann.refresh
    assert ann.refresh_tokens().status_code == 200
    assert ann.refresh == before


def test_a_replay_past_the_grace_time_ends_the_whole_session(ann: Person, clock: MovableClock) -> None:
    """R13: the successor was used, so two hold the chain, and nobody can say which is the thief."""
    stolen = ann.refresh
    ann.refresh_tokens()
    assert ann.me().status_code == 200
    clock.move(11)
    answer = ann.refresh_with(stolen)
    assert (answer.status_code, answer.json) == (401, BLACKLISTED)
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert ann.refresh_with(ann.refresh).json == BLACKLISTED
    assert ann.me().status_code == 401
    assert ann.verify(ann.refresh).status_code == 400


def test_in_strict_mode_a_spent_token_is_refused_at_once(make_app: MakeApp) -> None:
    person = newcomer(make_app(REFRESH_GRACE="0", REFRESH_CONFIRM="off").test_client())
    spent = person.refresh
    person.refresh_tokens()
    assert person.refresh_with(spent).json == BLACKLISTED


def test_rotation_never_extends_the_absolute_lifetime(make_app: MakeApp, clock: MovableClock) -> None:
    """R15."""
    person = newcomer(make_app(SESSION_LIFETIME=str(3 * DAY), REFRESH_TOKEN_LIFETIME=str(2 * DAY)).test_client())
    logged_in_at = clock()
    clock.move(1.5 * DAY)
    person.refresh_tokens()
    assert claims_of(person.refresh)["exp"] == logged_in_at + 3 * DAY
    clock.move(1.5 * DAY)
    answer = person.refresh_tokens()
    assert (answer.status_code, answer.json) == (401, {"detail": "Token is expired", "code": "token_not_valid"})


def test_a_session_that_idles_too_long_ends(make_app: MakeApp, clock: MovableClock) -> None:
    person = newcomer(make_app(REFRESH_TOKEN_LIFETIME=str(2 * DAY)).test_client())
    clock.move(2 * DAY)
    answer = person.refresh_tokens()
    assert answer.json == {"detail": "Token is expired", "code": "token_not_valid"}


def test_five_minutes_and_ten_minutes_then_log_in_again(make_app: MakeApp, clock: MovableClock) -> None:
    person = newcomer(make_app(ACCESS_TOKEN_LIFETIME="300", REFRESH_TOKEN_LIFETIME="600").test_client())
    clock.move(311)
    assert person.me().status_code == 401
    assert person.refresh_tokens().status_code == 200
    assert person.me().status_code == 200
    clock.move(611)
    assert person.me().status_code == 401
    assert person.refresh_tokens().status_code == 401


def test_a_stale_authorization_header_does_not_hinder_a_refresh(ann: Person) -> None:
    answer = ann.call("POST", "/auth/jwt/refresh/", access="stale", json={"refresh": ann.refresh})
    assert answer.status_code == 200


def test_a_good_token_of_a_session_that_is_not_there_is_invalid(ann: Person, forge: Forge) -> None:
    answer = ann.refresh_with(forge.alter(ann.refresh, sid="0" * 32))
    assert (answer.status_code, answer.json) == (401, {"detail": "Token is invalid", "code": "token_not_valid"})


def test_a_token_of_one_user_in_the_session_of_another_is_invalid(ann: Person, bob: Person, forge: Forge) -> None:
    crossed = forge.alter(ann.refresh, sub=bob.id, user_id=bob.id)
    assert ann.refresh_with(crossed).status_code == 401
    assert ann.refresh_tokens().status_code == 200


def test_a_refresh_ends_with_the_roles_it_named(ann: Person, operator: Operator) -> None:
    """Tokens name roles, so a grant ends the sessions, and the next login names the new ones."""
    operator.grant(ann.email, "staff", "beta")
    assert ann.refresh_tokens().status_code == 401
    ann.log_in()
    ann.refresh_tokens()
    assert claims_of(ann.access)["roles"] == "staff beta"


@pytest.mark.parametrize("used_by", ["a gateway's report", "this service", "its own refresh"])
def test_a_successor_that_was_used_closes_the_door_behind_it(
    ann: Person, clock: MovableClock, operator: Operator, used_by: str
) -> None:
    """R14 ends where R13 begins, by whichever way the use was seen."""
    spent = ann.refresh
    ann.refresh_tokens()
    match used_by:
        case "a gateway's report":
            operator.note_seen(ann.access)
        case "this service":
            ann.me()
        case _:
            ann.refresh_tokens()
    clock.move(11)
    assert ann.refresh_with(spent).status_code == 401
