"""/auth/sessions/ and /auth/logout/: users list their sessions, and end one, all others, or all."""

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from contract.revocation import STREAM, Revocation, read_revocation
from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import claims_of
from tests.auth_service.gateway_calls import Gateway
from tests.auth_service.world import Operator, Person
from tests.clocks import MovableClock

LOG_OUT_PATHS = ("/auth/logout/", "/auth/sessions/logout-others/", "/auth/sessions/logout-all/")


def log_in_on(person: Person, device: str) -> Person:
    """Return the same person, logged in on another device."""
    other = Person(person.client, person.email, person.password, id=person.id, agent=device)
    assert other.log_in().status_code == 200
    return other


def sid_of(person: Person) -> str:
    return str(claims_of(person.access)["sid"])


def listed(person: Person) -> list[dict[str, Any]]:
    response = person.call("GET", "/auth/sessions/")
    assert response.status_code == 200
    assert isinstance(response.json, list)
    return response.json


def end(person: Person, sid: str) -> int:
    return person.call("DELETE", f"/auth/sessions/{sid}/").status_code


def published(redis: Redis) -> list[Revocation]:
    """Return the records of the revocation feed."""
    entries = redis.xrange(STREAM)
    assert isinstance(entries, list)
    return [
        read_revocation({str(name): str(value) for name, value in (fields or {}).items()}) for _, fields in entries
    ]


def test_the_list_has_device_address_times_and_the_current_session(ann: Person, clock: MovableClock) -> None:
    clock.move(60)
    tablet = log_in_on(ann, "ann's tablet")
    clock.move(60)
    ann.refresh_tokens()
    current, other = listed(ann)
    assert current == {
        "id": sid_of(ann),
        "device": "ann's phone",
        "address": "127.0.0.1",
        "created_at": "2027-01-15T08:00:00.000Z",
        "last_used_at": "2027-01-15T08:02:00.000Z",
        "expires_at": "2028-01-15T08:00:00.000Z",
        "current": True,
    }
    assert (other["id"], other["device"], other["current"]) == (sid_of(tablet), "ann's tablet", False)
    assert [session["current"] for session in listed(tablet)] == [False, True]


def test_the_list_has_only_live_sessions_of_the_caller(ann: Person, bob: Person) -> None:
    log_in_on(ann, "tablet").log_out()
    assert [session["id"] for session in listed(ann)] == [sid_of(ann)]


def test_an_expired_session_is_not_listed(make_app: MakeApp, clock: MovableClock) -> None:
    client = make_app(REFRESH_TOKEN_LIFETIME="1000", SESSION_LIFETIME="1800").test_client()
    first = Person(client)
    first.register()
    first.log_in()
    clock.move(1000)
    second = log_in_on(first, "tablet")
    assert [session["device"] for session in listed(second)] == ["tablet"]


def test_a_browser_session_is_listed_and_can_be_ended(ann: Person, client: FlaskClient, clock: MovableClock) -> None:
    gateway = Gateway(client, clock)
    opened = gateway.open("h1").json
    assert opened
    browser = claims_of(opened["access"])["sid"]
    assert {session["id"] for session in listed(ann)} == {sid_of(ann), browser}
    assert "handle" not in str(listed(ann))
    assert end(ann, browser) == 204
    assert gateway.exchange("h1").status_code == 404


def test_an_ended_session_is_refused_here_and_published_to_the_gateways(
    ann: Person, redis: Redis, clock: MovableClock
) -> None:
    tablet = log_in_on(ann, "tablet")
    assert end(ann, sid_of(tablet)) == 204
    assert tablet.me().status_code == 401
    assert tablet.refresh_tokens().status_code == 401
    # Lifetime 300 s, padding 60 s, rounded up to a whole second.
    assert published(redis) == [Revocation("sid", sid_of(tablet), int(clock()), int(clock()) + 361)]
    assert ann.me().status_code == 200


def test_sessions_of_others_and_unknown_sessions_are_answered_404(ann: Person, bob: Person) -> None:
    """Both are answered in the same way, so that no response shows whether a session exists."""
    ended = log_in_on(ann, "tablet")
    ended.log_out()
    for sid in (sid_of(bob), sid_of(ended), "0" * 32, "x", "%00", "0" * 5000, "me"):
        assert end(ann, sid) == 404
    assert bob.me().status_code == 200


def test_staff_cannot_end_sessions_of_others(ann: Person, bob: Person, operator: Operator) -> None:
    operator.grant(bob.email, "staff")
    bob.log_in()
    assert [session["id"] for session in listed(bob)] == [sid_of(bob)]
    assert end(bob, sid_of(ann)) == 404


def test_ending_the_current_session_logs_out(ann: Person) -> None:
    assert end(ann, sid_of(ann)) == 204
    assert ann.me().status_code == 401


def test_a_log_out_needs_only_the_access_token(ann: Person, redis: Redis) -> None:
    tablet = log_in_on(ann, "tablet")
    assert ann.call("POST", "/auth/logout/").status_code == 204
    assert ann.refresh_tokens().status_code == 401
    assert ann.call("POST", "/auth/logout/").status_code == 401
    assert tablet.me().status_code == 200
    assert [revocation.value for revocation in published(redis)] == [sid_of(ann)]


def test_a_log_out_ends_a_browser_session(ann: Person, client: FlaskClient, clock: MovableClock) -> None:
    gateway = Gateway(client, clock)
    opened = gateway.open("h1").json
    assert opened
    assert ann.call("POST", "/auth/logout/", access=opened["access"]).status_code == 204
    assert gateway.exchange("h1").status_code == 404
    assert ann.me().status_code == 200


def test_logout_others_keeps_the_current_session(ann: Person, bob: Person, redis: Redis) -> None:
    others = [log_in_on(ann, name) for name in ("tablet", "laptop")]
    assert ann.call("POST", "/auth/sessions/logout-others/").status_code == 204
    assert [other.me().status_code for other in others] == [401, 401]
    assert ann.me().status_code == 200
    assert bob.me().status_code == 200
    assert {revocation.value for revocation in published(redis)} == {sid_of(other) for other in others}


def test_logout_all_ends_every_session(ann: Person, bob: Person) -> None:
    tablet = log_in_on(ann, "tablet")
    assert ann.call("POST", "/auth/sessions/logout-all/").status_code == 204
    assert [person.me().status_code for person in (ann, tablet, bob)] == [401, 401, 200]
    assert [person.refresh_tokens().status_code for person in (ann, tablet)] == [401, 401]


@pytest.mark.parametrize("path", [*LOG_OUT_PATHS, "/auth/sessions/", "/auth/audit/"])
def test_every_session_endpoint_needs_an_access_token(client: FlaskClient, path: str) -> None:
    for method in ("GET", "POST", "DELETE", "HEAD"):
        response = client.open(path, method=method)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        *((path, "POST, OPTIONS") for path in LOG_OUT_PATHS),
        ("/auth/sessions/", "GET, HEAD, OPTIONS"),
        (f"/auth/sessions/{'0' * 32}/", "DELETE, OPTIONS"),
        ("/auth/audit/", "GET, HEAD, OPTIONS"),
    ],
)
def test_another_method_is_answered_405_with_allow(ann: Person, path: str, allow: str) -> None:
    """With and without the trailing slash."""
    for variant in (path, path.rstrip("/")):
        response = ann.call("PUT", variant)
        assert (response.status_code, response.headers["Allow"]) == (405, allow)
        assert ann.call("OPTIONS", variant).status_code == 200


def test_a_log_in_over_the_session_limit_ends_the_oldest_session(
    make_app: MakeApp, clock: MovableClock, redis: Redis
) -> None:
    client = make_app(MAX_SESSIONS_PER_USER="2").test_client()
    first, bob = Person(client), Person(client, "bob@example.org")
    first.register()
    bob.register()
    first.log_in()
    bob.log_in()
    clock.move(1)
    second = log_in_on(first, "second")
    assert first.me().status_code == 200
    third = log_in_on(first, "third")  # in the same second as `second`; the newest session is never ended
    assert [person.me().status_code for person in (first, second, third, bob)] == [401, 200, 200, 200]
    assert [revocation.value for revocation in published(redis)] == [sid_of(first)]


def test_an_expired_session_does_not_count_towards_the_limit(make_app: MakeApp, clock: MovableClock) -> None:
    client = make_app(MAX_SESSIONS_PER_USER="2", REFRESH_TOKEN_LIFETIME="1000").test_client()
    first = Person(client)
    first.register()
    first.log_in()
    clock.move(500)
    log_in_on(first, "never used again")  # expires 1,000 s after its log-in
    clock.move(499)
    first.refresh_tokens()
    clock.move(501)
    log_in_on(first, "newest")
    assert first.refresh_tokens().status_code == 200


def test_with_a_limit_of_one_a_log_in_ends_the_previous_session(make_app: MakeApp) -> None:
    client = make_app(MAX_SESSIONS_PER_USER="1").test_client()
    first = Person(client)
    first.register()
    first.log_in()
    second = log_in_on(first, "second")
    assert [first.me().status_code, second.me().status_code] == [401, 200]


def test_a_change_of_password_keeps_the_current_session(ann: Person) -> None:
    tablet = log_in_on(ann, "tablet")
    assert ann.set_password("An0ther-g00d-one").status_code == 204
    assert [person.me().status_code for person in (ann, tablet)] == [200, 401]
    assert [person.refresh_tokens().status_code for person in (ann, tablet)] == [200, 401]


@pytest.mark.parametrize("how", ["deactivated", "deleted"])
def test_deactivation_and_deletion_end_every_session(ann: Person, operator: Operator, how: str) -> None:
    tablet = log_in_on(ann, "tablet")
    if how == "deactivated":
        operator.deactivate(ann.email)
    else:
        json = {"current_password": ann.password}
        assert ann.call("DELETE", "/auth/users/me/", json=json).status_code == 204
    for person in (ann, tablet):
        assert person.me().status_code == 401
        assert person.refresh_tokens().status_code == 401


def test_a_database_outage_is_answered_503_and_never_as_an_ended_session(
    make_app: MakeApp, ann: Person, clock: MovableClock, tmp_path: Path
) -> None:
    """With Retry-After. 401 or 404 would make a client drop a valid token or cookie."""
    without_database = make_app(DATABASE_URL=f"sqlite:///{tmp_path}/empty.db").test_client()
    gateway, person = Gateway(without_database, clock), Person(without_database, access=ann.access)
    responses = [gateway.open("h1"), gateway.exchange("h1"), gateway.end("h1"), gateway.report(("s", 1))]
    responses += [person.call("POST", path) for path in LOG_OUT_PATHS]
    responses += [person.call("GET", path) for path in ("/auth/sessions/", "/auth/audit/")]
    responses.append(person.call("DELETE", f"/auth/sessions/{'0' * 32}/"))
    for response in responses:
        assert response.status_code == 503
        assert response.json
        assert response.json["code"] == "store_unavailable"
        assert int(response.headers["Retry-After"]) > 0
