"""The audit trail: what is recorded, and what the owner of an account can read."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from auth_service.storage.models import db
from tests.auth_service.forge import claims_of
from tests.auth_service.gateway_calls import Gateway
from tests.auth_service.world import PASSWORD, Operator, Person
from tests.clocks import MovableClock
from tests.host_echo import requests_that_echo_host

NEW_PASSWORD = "An0ther-g00d-one"


def trail(person: Person, query: str = "") -> dict[str, Any]:
    answer = person.call("GET", f"/auth/audit/{query}")
    assert answer.status_code == 200
    assert isinstance(answer.json, dict)
    return answer.json


def events(person: Person) -> list[str]:
    """Return the events of the trail, the newest first, without the oldest: the registration."""
    *later, registration = (record["event"] for record in trail(person, "?page_size=100")["results"])
    assert registration == "registered"
    return later


def rows(database: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(database) as connection:
        return connection.execute("SELECT event, user_id, session, detail FROM audit_events ORDER BY id").fetchall()


def sid_of(person: Person) -> str:
    return str(claims_of(person.access)["sid"])


def test_a_record_has_the_event_time_client_and_session(ann: Person) -> None:
    record, _ = trail(ann)["results"]
    assert record == {
        "id": record["id"],
        "at": "2027-01-15T08:00:00.000Z",  # the time of a new MovableClock
        "event": "login_ok",
        "session": sid_of(ann),
        "address": "127.0.0.1",
        "device": "ann's phone",
        "detail": {},
    }


def test_log_ins_ended_sessions_and_password_changes_are_in_the_trail(ann: Person, clock: MovableClock) -> None:
    """The newest record is first. Refreshes are not recorded, because their number is not limited."""
    tablet = Person(ann.client, ann.email, "wrong", agent="somebody's tablet")
    tablet.log_in()
    tablet.password = PASSWORD
    tablet.log_in()
    ann.refresh_tokens()
    ann.call("DELETE", f"/auth/sessions/{sid_of(tablet)}/")
    tablet.log_in()
    ann.set_password(NEW_PASSWORD)
    ann.call("POST", "/auth/logout/")
    ann.password = NEW_PASSWORD
    ann.log_in()
    assert events(ann) == [
        "login_ok",
        "logout",
        "session_revoked",
        "password_changed",
        "login_ok",
        "session_revoked",
        "login_ok",
        "login_failed",
        "login_ok",
    ]


def test_a_revocation_record_has_the_reason(ann: Person) -> None:
    tablet = Person(ann.client, ann.email)
    tablet.log_in()
    ann.set_password(NEW_PASSWORD)
    revoked, changed = trail(ann)["results"][:2]
    assert (revoked["session"], revoked["detail"]) == (sid_of(tablet), {"reason": "password changed"})
    assert (changed["event"], changed["session"]) == ("password_changed", sid_of(ann))


def test_a_replay_is_recorded_with_its_session_and_client(ann: Person, clock: MovableClock) -> None:
    stolen, sid = ann.refresh, sid_of(ann)
    ann.refresh_tokens()
    ann.me()
    clock.move(11)
    Person(ann.client, agent="a thief's").post("/auth/jwt/refresh/", refresh=stolen)
    thief = ann.client.post("/auth/jwt/refresh/", json={"refresh": stolen}, headers={"User-Agent": "the thief again"})
    assert thief.status_code == 401
    ann.log_in()
    replay = trail(ann)["results"][1]
    assert (replay["event"], replay["session"], replay["device"]) == ("replay_detected", sid, "a thief's")


def test_a_log_out_with_a_used_token_is_recorded_as_a_replay(ann: Person, clock: MovableClock) -> None:
    stolen = ann.refresh
    ann.refresh_tokens()
    ann.me()
    clock.move(11)
    ann.post("/auth/jwt/blacklist/", refresh=stolen)
    ann.log_in()
    assert events(ann) == ["login_ok", "replay_detected", "login_ok"]


def test_a_browser_log_in_has_the_browser_as_client_and_a_browser_log_out_has_no_client(
    ann: Person, client: FlaskClient, clock: MovableClock
) -> None:
    """The gateway calls for the browser; its own address would be the same in every record."""
    gateway = Gateway(client, clock)
    gateway.open("h1")
    gateway.open("h2", password="wrong")
    gateway.end("h1")
    logout, failed, login = trail(ann)["results"][:3]
    assert (login["event"], login["device"], login["address"]) == ("login_ok", "ann's browser", "203.0.113.7")
    assert (failed["event"], failed["device"], failed["address"]) == ("login_failed", "ann's browser", "203.0.113.7")
    assert (logout["event"], logout["device"], logout["address"]) == ("logout", "", "")


def test_only_a_keyed_hash_is_kept_of_an_unknown_account_name(ann: Person, database: Path) -> None:
    """Users sometimes type their password into the e-mail field."""
    for email in ("my-secret-password@example.org", "MY-SECRET-PASSWORD@example.org", "other@example.org"):
        Person(ann.client, email).log_in()
    failed = [row for row in rows(database) if row[0] == "login_failed"]
    assert all(user_id is None and session is None for _, user_id, session, _ in failed)
    first, again, other = (json.loads(detail)["account"] for *_, detail in failed)
    assert first == again != other
    assert len(first) == 32
    assert b"my-secret-password" not in database.read_bytes().lower()


def test_a_user_reads_only_the_trail_of_their_own_account(ann: Person, bob: Person) -> None:
    Person(bob.client, bob.email, "wrong").log_in()
    assert events(ann) == ["login_ok"]
    assert events(bob) == ["login_failed", "login_ok"]


def test_the_trail_is_paginated(ann: Person) -> None:
    for _ in range(23):
        ann.log_in()
    first = trail(ann)
    assert (first["count"], len(first["results"]), first["previous"]) == (25, 20, None)
    assert first["next"] == "/auth/audit/?page=2"
    second = trail(ann, "?page=2")
    assert (len(second["results"]), second["next"]) == (5, None)
    assert second["previous"] == "/auth/audit/"
    ids = [record["id"] for page in (first, second) for record in page["results"]]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 25
    small = trail(ann, "?page=2&page_size=10")
    assert len(small["results"]) == 10
    assert small["next"] == "/auth/audit/?page_size=10&page=3"


@pytest.mark.parametrize(
    ("requested", "size"), [("0", 20), ("-1", 20), ("x", 20), ("", 20), ("1000", 100), ("1" * 50, 20)]
)
def test_a_page_is_never_larger_than_a_hundred(ann: Person, database: Path, requested: str, size: int) -> None:
    with sqlite3.connect(database) as connection:
        connection.executemany(
            "INSERT INTO audit_events (at, event, user_id, address, device, detail) VALUES (1, 'x', ?, '', '', '{}')",
            [(ann.id.replace("-", ""),)] * 120,
        )
    assert len(trail(ann, f"?page_size={requested}")["results"]) == size


@pytest.mark.parametrize("page", ["0", "2", "-1", "x", "1.5", "9" * 30, "%00", "²"])
def test_a_page_that_does_not_exist_is_answered_404(ann: Person, page: str) -> None:
    answer = ann.call("GET", f"/auth/audit/?page={page}")
    assert (answer.status_code, answer.json) == (404, {"detail": "Invalid page."})


def test_the_trail_is_kept_when_the_account_is_deleted(ann: Person, operator: Operator, database: Path) -> None:
    operator.deactivate(ann.email)
    operator.activate(ann.email)
    ann.log_in()
    ann.call("DELETE", "/auth/users/me/", json={"current_password": ann.password})
    recorded = [(name, json.loads(detail)) for name, *_, detail in rows(database)]
    assert recorded == [
        ("registered", {}),
        ("login_ok", {}),
        ("deactivated", {}),
        ("session_revoked", {"reason": "user deactivated"}),
        ("activated", {"reason": "activated by an operator"}),
        ("login_ok", {}),
        ("deleted", {}),
        ("session_revoked", {"reason": "user deleted"}),
    ]


def break_inserts_into(table: str) -> Any:
    """Return a listener that makes inserts into a table fail, by changing the table's name in the statement."""

    def change(_: object, __: object, statement: str, parameters: object, *___: object) -> tuple[str, object]:
        return statement.replace(f"INSERT INTO {table}", "INSERT INTO missing"), parameters

    return change


def test_a_change_that_cannot_be_recorded_is_answered_503_and_not_made(
    app: Flask, ann: Person, database: Path
) -> None:
    """This holds for log-ins, log-outs and password changes."""
    refuse = break_inserts_into("audit_events")
    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", refuse, retval=True)
    try:
        stranger = Person(ann.client, ann.email)
        answers = [
            stranger.log_in(),
            Person(ann.client, ann.email, "wrong").log_in(),
            Person(ann.client, "nobody@example.org").log_in(),
            ann.call("POST", "/auth/logout/"),
            ann.log_out(),
            ann.set_password(NEW_PASSWORD),
        ]
    finally:
        event.remove(engine, "before_cursor_execute", refuse)
    assert [answer.status_code for answer in answers] == [503] * len(answers)
    assert stranger.access == ""
    assert ann.me().status_code == 200
    assert events(ann) == ["login_ok"]
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM sessions").fetchone() == (1,)


def test_no_response_contains_the_host_of_the_request(app: Flask, ann: Person, operator: Operator) -> None:
    """Links have no host. Otherwise a forged Host field would decide where a client sends its token next."""
    operator.grant(ann.email, "staff")
    for _ in range(3):
        ann.log_in()
    assert trail(ann, "?page=2&page_size=1")["next"]
    assert (
        requests_that_echo_host(app, {"Authorization": f"Bearer {ann.access}"}, {"user_id": ann.id, "sid": "x"}) == []
    )
