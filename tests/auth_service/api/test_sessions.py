"""A user sees the own sessions and ends one, the others, or all."""

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

POSTS = ("/auth/logout/", "/auth/sessions/logout-others/", "/auth/sessions/logout-all/")


def elsewhere(person: Person, agent: str) -> Person:
    """The same person, logged in on another device."""
    other = Person(person.client, person.email, person.password, id=person.id, agent=agent)
    assert other.log_in().status_code == 200
    return other


def sid_of(person: Person) -> str:
    return str(claims_of(person.access)["sid"])


def listed(person: Person) -> list[dict[str, Any]]:
    answer = person.call("GET", "/auth/sessions/")
    assert answer.status_code == 200
    assert isinstance(answer.json, list)
    return answer.json


def end(person: Person, sid: str) -> int:
    return person.call("DELETE", f"/auth/sessions/{sid}/").status_code


def published(redis: Redis) -> list[Revocation]:
    entries = redis.xrange(STREAM)
    assert isinstance(entries, list)
    return [
        read_revocation({str(name): str(value) for name, value in (fields or {}).items()}) for _, fields in entries
    ]


def test_the_list_says_where_and_when_and_which_is_this_one(ann: Person, clock: MovableClock) -> None:
    """R17."""
    clock.move(60)
    tablet = elsewhere(ann, "ann's tablet")
    clock.move(60)
    ann.refresh_tokens()
    this, other = listed(ann)
    assert this == {
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


def test_the_list_holds_what_is_live_and_ones_own(ann: Person, bob: Person, make_app: MakeApp) -> None:
    elsewhere(ann, "gone").log_out()
    assert [session["id"] for session in listed(ann)] == [sid_of(ann)]


def test_a_session_past_its_time_is_not_listed(make_app: MakeApp, clock: MovableClock) -> None:
    client = make_app(REFRESH_TOKEN_LIFETIME="1000", SESSION_LIFETIME="1800").test_client()
    early = Person(client)
    early.register()
    early.log_in()
    clock.move(1000)
    late = elsewhere(early, "late")
    assert [session["device"] for session in listed(late)] == ["late"]


def test_a_browsers_session_is_one_like_the_others(ann: Person, client: FlaskClient, clock: MovableClock) -> None:
    gateway = Gateway(client, clock)
    opened = gateway.open("h1").json
    assert opened
    browser = claims_of(opened["access"])["sid"]
    assert {session["id"] for session in listed(ann)} == {sid_of(ann), browser}
    assert "handle" not in str(listed(ann))
    assert end(ann, browser) == 204
    assert gateway.exchange("h1").status_code == 404


def test_one_session_ends_at_once_and_everywhere(ann: Person, redis: Redis, clock: MovableClock) -> None:
    """R16: refused here at once, told to the gateways, and its refresh token is dead."""
    tablet = elsewhere(ann, "tablet")
    assert end(ann, sid_of(tablet)) == 204
    assert tablet.me().status_code == 401
    assert tablet.refresh_tokens().status_code == 401
    assert published(redis) == [Revocation("sid", sid_of(tablet), int(clock()), int(clock()) + 361)]
    assert ann.me().status_code == 200


def test_nobody_ends_anothers_session_or_one_that_is_none(ann: Person, bob: Person) -> None:
    """404 alike, so that nobody learns which there are."""
    over = elsewhere(ann, "over")
    over.log_out()
    for sid in (sid_of(bob), sid_of(over), "0" * 32, "x", "%00", "0" * 5000, "me"):
        assert end(ann, sid) == 404
    assert bob.me().status_code == 200


def test_staff_ends_no_session_of_others_here(ann: Person, bob: Person, operator: Operator) -> None:
    operator.grant(bob.email, "staff")
    bob.log_in()
    assert [session["id"] for session in listed(bob)] == [sid_of(bob)]
    assert end(bob, sid_of(ann)) == 404


def test_to_end_this_session_is_to_log_out(ann: Person) -> None:
    assert end(ann, sid_of(ann)) == 204
    assert ann.me().status_code == 401


def test_a_logout_needs_the_access_token_alone(ann: Person, redis: Redis) -> None:
    tablet = elsewhere(ann, "tablet")
    assert ann.call("POST", "/auth/logout/").status_code == 204
    assert ann.refresh_tokens().status_code == 401
    assert ann.call("POST", "/auth/logout/").status_code == 401
    assert tablet.me().status_code == 200
    assert [revocation.value for revocation in published(redis)] == [sid_of(ann)]


def test_a_logout_works_for_a_browser_whose_token_the_gateway_adds(
    ann: Person, client: FlaskClient, clock: MovableClock
) -> None:
    gateway = Gateway(client, clock)
    opened = gateway.open("h1").json
    assert opened
    assert ann.call("POST", "/auth/logout/", access=opened["access"]).status_code == 204
    assert gateway.exchange("h1").status_code == 404
    assert ann.me().status_code == 200


def test_the_others_end_and_this_one_stays(ann: Person, bob: Person, redis: Redis) -> None:
    others = [elsewhere(ann, name) for name in ("tablet", "laptop")]
    assert ann.call("POST", "/auth/sessions/logout-others/").status_code == 204
    assert [other.me().status_code for other in others] == [401, 401]
    assert ann.me().status_code == 200
    assert bob.me().status_code == 200
    assert {revocation.value for revocation in published(redis)} == {sid_of(other) for other in others}


def test_all_end(ann: Person, bob: Person) -> None:
    tablet = elsewhere(ann, "tablet")
    assert ann.call("POST", "/auth/sessions/logout-all/").status_code == 204
    assert [person.me().status_code for person in (ann, tablet, bob)] == [401, 401, 200]
    assert [person.refresh_tokens().status_code for person in (ann, tablet)] == [401, 401]


@pytest.mark.parametrize("path", [*POSTS, "/auth/sessions/", "/auth/audit/"])
def test_without_a_token_there_is_nothing(client: FlaskClient, path: str) -> None:
    for method in ("GET", "POST", "DELETE", "HEAD"):
        answer = client.open(path, method=method)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        *((path, "POST, OPTIONS") for path in POSTS),
        ("/auth/sessions/", "GET, HEAD, OPTIONS"),
        (f"/auth/sessions/{'0' * 32}/", "DELETE, OPTIONS"),
        ("/auth/audit/", "GET, HEAD, OPTIONS"),
    ],
)
def test_another_method_is_refused_with_those_there_are(ann: Person, path: str, allow: str) -> None:
    """With and without the last slash."""
    for spelling in (path, path.rstrip("/")):
        answer = ann.call("PUT", spelling)
        assert (answer.status_code, answer.headers["Allow"]) == (405, allow)
        assert ann.call("OPTIONS", spelling).status_code == 200


def test_of_more_sessions_than_a_user_may_have_the_oldest_end(
    make_app: MakeApp, clock: MovableClock, redis: Redis
) -> None:
    client = make_app(MAX_SESSIONS_PER_USER="2").test_client()
    first, bob = Person(client), Person(client, "bob@example.org")
    first.register()
    bob.register()
    first.log_in()
    bob.log_in()
    clock.move(1)
    second = elsewhere(first, "second")
    assert first.me().status_code == 200
    third = elsewhere(first, "third")  # in the same second: the newest always stays
    assert [person.me().status_code for person in (first, second, third, bob)] == [401, 200, 200, 200]
    assert [revocation.value for revocation in published(redis)] == [sid_of(first)]


def test_a_session_past_its_time_takes_nobodys_place(make_app: MakeApp, clock: MovableClock) -> None:
    client = make_app(MAX_SESSIONS_PER_USER="2", REFRESH_TOKEN_LIFETIME="1000").test_client()
    kept = Person(client)
    kept.register()
    kept.log_in()
    clock.move(500)
    elsewhere(kept, "idles out")
    clock.move(499)
    kept.refresh_tokens()
    clock.move(501)
    elsewhere(kept, "newest")
    assert kept.refresh_tokens().status_code == 200


def test_with_a_cap_of_one_each_login_ends_the_one_before(make_app: MakeApp) -> None:
    client = make_app(MAX_SESSIONS_PER_USER="1").test_client()
    first = Person(client)
    first.register()
    first.log_in()
    gateway = elsewhere(first, "second")
    assert [first.me().status_code, gateway.me().status_code] == [401, 200]


def test_a_changed_password_leaves_this_session_alone(ann: Person) -> None:
    """R16."""
    tablet = elsewhere(ann, "tablet")
    assert ann.set_password("An0ther-g00d-one").status_code == 204
    assert [person.me().status_code for person in (ann, tablet)] == [200, 401]
    assert [person.refresh_tokens().status_code for person in (ann, tablet)] == [200, 401]


@pytest.mark.parametrize("how", ["deactivated", "deleted"])
def test_who_is_deactivated_or_deleted_has_no_session_left(ann: Person, operator: Operator, how: str) -> None:
    tablet = elsewhere(ann, "tablet")
    if how == "deactivated":
        operator.deactivate(ann.email)
    else:
        json = {"current_password": ann.password}
        assert ann.call("DELETE", "/auth/users/me/", json=json).status_code == 204
    for person in (ann, tablet):
        assert person.me().status_code == 401
        assert person.refresh_tokens().status_code == 401


def test_without_a_database_nothing_is_said_to_have_ended(
    make_app: MakeApp, ann: Person, clock: MovableClock, tmp_path: Path
) -> None:
    """503 and when to come back, never 401 or 404: the client's token and the browser's cookie are good."""
    headless = make_app(DATABASE_URL=f"sqlite:///{tmp_path}/empty.db").test_client()
    gateway, person = Gateway(headless, clock), Person(headless, access=ann.access)
    answers = [gateway.open("h1"), gateway.exchange("h1"), gateway.end("h1"), gateway.report(("s", 1))]
    answers += [person.call("POST", path) for path in POSTS]
    answers += [person.call("GET", path) for path in ("/auth/sessions/", "/auth/audit/")]
    answers.append(person.call("DELETE", f"/auth/sessions/{'0' * 32}/"))
    for answer in answers:
        assert answer.status_code == 503
        assert answer.json
        assert answer.json["code"] == "store_unavailable"
        assert int(answer.headers["Retry-After"]) > 0
