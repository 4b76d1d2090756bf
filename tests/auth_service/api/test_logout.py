"""POST /auth/jwt/blacklist/ and /auth/jwt/verify/: giving tokens back, and asking after them."""

from tests.auth_service.forge import Forge
from tests.auth_service.world import Operator, Person
from tests.clocks import MovableClock

BLACKLISTED = {"detail": "Token is blacklisted", "code": "token_not_valid"}


def test_a_logout_ends_the_session_once(ann: Person) -> None:
    """R16: refresh and access alike, at once here."""
    assert (ann.log_out().status_code, ann.log_out().json) == (200, BLACKLISTED)
    assert ann.refresh_tokens().json == BLACKLISTED
    refused = ann.me()
    assert refused.status_code == 401
    assert refused.json
    assert refused.json["messages"][0]["message"] == "Token is blacklisted"


def test_a_logout_ends_one_session_alone(ann: Person) -> None:
    elsewhere = Person(ann.client, ann.email)
    elsewhere.log_in()
    ann.log_out()
    assert elsewhere.me().status_code == 200
    assert elsewhere.refresh_tokens().status_code == 200


def test_the_token_before_an_unseen_successor_still_logs_out(ann: Person) -> None:
    """The answer to a refresh was lost, and then the user leaves."""
    ann.refresh_with(ann.refresh)
    assert ann.log_out().status_code == 200


def test_a_logout_with_a_replayed_token_ends_the_session_too(ann: Person, clock: MovableClock) -> None:
    spent = ann.refresh
    ann.refresh_tokens()
    ann.refresh_tokens()
    clock.move(60)
    assert ann.post("/auth/jwt/blacklist/", refresh=spent).json == BLACKLISTED
    assert ann.me().status_code == 401


def test_verify_takes_both_kinds_and_leaves_the_session_alone(ann: Person, clock: MovableClock) -> None:
    assert ann.verify(ann.access).json == {}
    assert ann.verify(ann.refresh).json == {}
    spent = ann.refresh
    ann.refresh_tokens()
    ann.refresh_tokens()
    clock.move(60)
    answer = ann.verify(spent)
    assert (answer.status_code, answer.json) == (400, {"non_field_errors": ["Token is blacklisted"]})
    assert ann.refresh_tokens().status_code == 200, "asking after a spent token is no replay"


def test_verify_says_ended_and_expired_apart(ann: Person, clock: MovableClock) -> None:
    kept = Person(ann.client, ann.email)
    kept.log_in()
    ann.log_out()
    assert ann.verify(ann.refresh).status_code == 400
    clock.move(15_552_000)
    assert kept.verify(kept.refresh).json == {"detail": "Token is expired", "code": "token_not_valid"}


def test_verify_knows_no_session_that_is_not_there(ann: Person, forge: Forge) -> None:
    assert ann.verify(forge.alter(ann.refresh, sid="0" * 32)).status_code == 401


def test_the_session_keeps_when_it_ended(ann: Person, clock: MovableClock, operator: Operator) -> None:
    clock.move(7)
    ann.log_out()
    assert operator.session_of(ann.refresh).revoked_at == clock()


def test_an_access_token_gives_nothing_back(ann: Person) -> None:
    answer = ann.post("/auth/jwt/blacklist/", refresh=ann.access)
    assert answer.json == {"detail": "Token has wrong type", "code": "token_not_valid"}
    assert ann.me().status_code == 200
