"""POST /auth/jwt/blacklist/ and /auth/jwt/verify/: revoke and verify tokens."""

from tests.auth_service.forge import Forge
from tests.auth_service.world import Operator, Person
from tests.clocks import MovableClock

BLACKLISTED = {"detail": "Token is blacklisted", "code": "token_not_valid"}


def test_a_log_out_ends_the_session_at_once(ann: Person) -> None:
    """Its refresh token and its access token are refused, also by a second log-out."""
    assert (ann.log_out().status_code, ann.log_out().json) == (200, BLACKLISTED)
    assert ann.refresh_tokens().json == BLACKLISTED
    refused = ann.me()
    assert refused.status_code == 401
    assert refused.json
    assert refused.json["messages"][0]["message"] == "Token is blacklisted"


def test_a_log_out_ends_one_session_only(ann: Person) -> None:
    elsewhere = Person(ann.client, ann.email)
    elsewhere.log_in()
    ann.log_out()
    assert elsewhere.me().status_code == 200
    assert elsewhere.refresh_tokens().status_code == 200


def test_a_token_with_an_unconfirmed_successor_still_logs_out(ann: Person) -> None:
    """The response to a refresh was lost, and then the user logs out."""
    ann.refresh_with(ann.refresh)
    assert ann.log_out().status_code == 200


def test_a_log_out_with_a_replayed_token_ends_the_session(ann: Person, clock: MovableClock) -> None:
    used = ann.refresh
    ann.refresh_tokens()
    ann.refresh_tokens()
    clock.move(60)
    assert ann.post("/auth/jwt/blacklist/", refresh=used).json == BLACKLISTED
    assert ann.me().status_code == 401


def test_verify_accepts_both_token_types_and_does_not_change_the_session(ann: Person, clock: MovableClock) -> None:
    assert ann.verify(ann.access).json == {}
    assert ann.verify(ann.refresh).json == {}
    used = ann.refresh
    ann.refresh_tokens()
    ann.refresh_tokens()
    clock.move(60)
    response = ann.verify(used)
    assert (response.status_code, response.json) == (400, {"non_field_errors": ["Token is blacklisted"]})
    assert ann.refresh_tokens().status_code == 200, "verifying a used token must not end the session"


def test_verify_distinguishes_an_ended_session_from_an_expired_token(ann: Person, clock: MovableClock) -> None:
    elsewhere = Person(ann.client, ann.email)
    elsewhere.log_in()
    ann.log_out()
    assert ann.verify(ann.refresh).status_code == 400
    clock.move(180 * 86_400)
    assert elsewhere.verify(elsewhere.refresh).json == {"detail": "Token is expired", "code": "token_not_valid"}


def test_verify_refuses_a_token_of_an_unknown_session(ann: Person, forge: Forge) -> None:
    assert ann.verify(forge.alter(ann.refresh, sid="0" * 32)).status_code == 401


def test_the_session_stores_when_it_ended(ann: Person, clock: MovableClock, operator: Operator) -> None:
    clock.move(7)
    ann.log_out()
    assert operator.session_of(ann.refresh).revoked_at == clock()


def test_the_blacklist_endpoint_refuses_an_access_token(ann: Person) -> None:
    response = ann.post("/auth/jwt/blacklist/", refresh=ann.access)
    assert response.json == {"detail": "Token has wrong type", "code": "token_not_valid"}
    assert ann.me().status_code == 200
