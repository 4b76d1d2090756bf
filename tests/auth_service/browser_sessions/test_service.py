"""Browser sessions: the gateway exchanges the handle of a browser for access tokens."""

import sqlite3
from pathlib import Path
from typing import Any, cast

import pytest
from flask.testing import FlaskClient
from redis import Redis

from contract.internal_api import END_PATH, EXCHANGE_PATH, SESSIONS_PATH
from contract.revocation import STREAM
from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import claims_of
from tests.auth_service.gateway_calls import Gateway, hash_of
from tests.auth_service.world import Person
from tests.clocks import MovableClock

DAY = 86_400


@pytest.fixture
def gateway(client: FlaskClient, clock: MovableClock) -> Gateway:
    return Gateway(client, clock)


def test_a_log_in_returns_an_access_token_and_no_refresh_token(
    gateway: Gateway, ann: Person, clock: MovableClock
) -> None:
    answer = gateway.open("h1")
    assert answer.status_code == 200
    assert answer.json is not None
    assert set(answer.json) == {"access", "expires_at", "user", "device_token"}
    assert answer.json["expires_at"] == clock() + 365 * DAY
    assert answer.json["user"] == ann.me().json
    assert answer.headers["Cache-Control"] == "no-store"
    assert ann.me(answer.json["access"]).status_code == 200


def test_the_row_has_the_hash_and_not_the_handle(gateway: Gateway, ann: Person, database: Path) -> None:
    gateway.open("h1")
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT handle_hash, device, address FROM sessions WHERE handle_hash NOT NULL")
        assert rows.fetchall() == [(hash_of("h1"), "ann's browser", "203.0.113.7")]


def test_wrong_credentials_are_refused_with_the_text_that_clients_know(gateway: Gateway, ann: Person) -> None:
    """The text of /auth/jwt/create/, which is djoser's."""
    wrong, unknown = gateway.open("h1", password="wrong"), gateway.open("h1", email="nobody@example.org")
    for answer in (wrong, unknown):
        assert answer.status_code == 401
        assert answer.json == {"detail": "No active account found with the given credentials"}


@pytest.mark.parametrize(
    "handle_hash", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 63 + "\n", None, 5, ["a" * 64]], ids=repr
)
@pytest.mark.parametrize("path", [SESSIONS_PATH, EXCHANGE_PATH, END_PATH])
def test_an_invalid_handle_hash_is_a_field_error(gateway: Gateway, path: str, handle_hash: object) -> None:
    answer = gateway.call(path, email="ann@example.org", password="x", handle_hash=handle_hash)
    assert answer.status_code == 400
    assert answer.json is not None
    assert list(answer.json) == ["handle_hash"]


def test_a_handle_belongs_to_one_session(gateway: Gateway, ann: Person) -> None:
    assert gateway.open("h1").status_code == 200
    again = gateway.open("h1")
    assert again.status_code == 400
    assert again.json == {"handle_hash": ["This handle is in use."]}
    assert gateway.exchange("h1").status_code == 200


def test_an_exchange_returns_a_new_token_of_the_same_session(
    gateway: Gateway, ann: Person, clock: MovableClock
) -> None:
    first = gateway.open("h1").json
    clock.move(250)
    second = gateway.exchange("h1").json
    assert first is not None
    assert second is not None
    old, new = claims_of(first["access"]), claims_of(second["access"])
    assert new["sid"] == old["sid"]
    assert new["iat"] == old["iat"] + 250
    del first["device_token"]  # of the log-in alone
    assert second | {"access": ""} == first | {"access": ""}, "the other members stay the same"


def test_an_unknown_handle_is_refused_as_an_ended_session(gateway: Gateway) -> None:
    answer = gateway.exchange("never opened")
    assert answer.status_code == 404
    assert answer.json is not None
    assert answer.json["code"] == "session_ended"
    assert answer.json["detail"]
    assert answer.json["ended_seconds_ago"] is None


def test_a_refused_exchange_contains_how_long_ago_the_session_ended(
    gateway: Gateway, ann: Person, clock: MovableClock
) -> None:
    """The gateway needs it to see whether a log-in may just have replaced the handle in the browser."""
    gateway.open("h1")
    gateway.end("h1")
    clock.move(7)
    answer = gateway.exchange("h1").json
    assert answer is not None
    assert (answer["code"], answer["ended_seconds_ago"]) == ("session_ended", 7.0)


def test_an_exchange_restarts_the_idle_time(make_app: MakeApp, ann: Person, clock: MovableClock) -> None:
    gateway = Gateway(make_app(REFRESH_TOKEN_LIFETIME="1000").test_client(), clock)
    gateway.open("h1")
    for _ in range(5):
        clock.move(999)
        assert gateway.exchange("h1").status_code == 200
    clock.move(1000)
    assert gateway.exchange("h1").status_code == 404


def test_an_exchange_does_not_extend_the_absolute_lifetime(
    make_app: MakeApp, ann: Person, clock: MovableClock
) -> None:
    gateway = Gateway(make_app(SESSION_LIFETIME="100").test_client(), clock)
    gateway.open("h1")
    clock.move(99)
    last = gateway.exchange("h1").json
    assert last is not None
    assert claims_of(last["access"])["exp"] <= last["expires_at"]
    clock.move(1)
    assert gateway.exchange("h1").status_code == 404


def test_exchanges_write_the_row_at_most_once_a_minute(
    gateway: Gateway, ann: Person, clock: MovableClock, database: Path
) -> None:
    gateway.open("h1")
    opened_at = clock()

    def last_used_at() -> float:
        with sqlite3.connect(database) as connection:
            row = connection.execute("SELECT last_used_at FROM sessions WHERE handle_hash NOT NULL").fetchone()
        return float(row[0])

    clock.move(59)
    gateway.exchange("h1")
    assert last_used_at() == opened_at
    clock.move(1)
    gateway.exchange("h1")
    assert last_used_at() == clock()


def test_a_log_out_ends_the_session_and_is_published(gateway: Gateway, ann: Person, redis: Redis) -> None:
    opened = gateway.open("h1").json
    assert opened is not None
    assert gateway.end("h1").status_code == 204
    assert gateway.exchange("h1").status_code == 404
    assert ann.me(opened["access"]).status_code == 401
    entries: list[tuple[str, dict[str, str]]] = cast(Any, redis).xrange(STREAM)
    published = [fields["value"] for _, fields in entries]
    assert published == [claims_of(opened["access"])["sid"]]


def test_a_log_out_can_be_repeated(gateway: Gateway, ann: Person) -> None:
    gateway.open("h1")
    assert [gateway.end(handle).status_code for handle in ("h1", "h1", "never opened")] == [204, 204, 204]


def test_the_handle_of_a_deactivated_user_is_refused(gateway: Gateway, ann: Person, database: Path) -> None:
    """Even if the session has not ended, as after a backup was restored."""
    gateway.open("h1")
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE users SET status = 'barred'")
    assert gateway.exchange("h1").status_code == 404


def test_a_password_change_ends_browser_sessions(gateway: Gateway, ann: Person) -> None:
    gateway.open("h1")
    assert ann.set_password("An0ther-g00d-one").status_code == 204
    assert gateway.exchange("h1").status_code == 404
    assert ann.me().status_code == 200


@pytest.mark.parametrize("path", [SESSIONS_PATH, EXCHANGE_PATH, END_PATH])
def test_only_the_gateway_may_call(client: FlaskClient, gateway: Gateway, ann: Person, path: str) -> None:
    """A request without a valid peer token is answered 403 and changes nothing."""
    gateway.open("h1")
    answer = client.post(path, json={"handle_hash": hash_of("h1")}, headers={"X-Peer": ann.access})
    assert answer.status_code == 403
    assert gateway.exchange("h1").status_code == 200


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b'{"handle_hash": "\\u0000"}', b"\xff"], ids=repr)
@pytest.mark.parametrize("path", [SESSIONS_PATH, EXCHANGE_PATH, END_PATH])
def test_an_invalid_body_is_answered_400(client: FlaskClient, gateway: Gateway, path: str, body: bytes) -> None:
    peer = gateway.call(path).request.headers["X-Peer"]  # a valid peer token
    headers = {"X-Peer": peer, "Content-Type": "application/json"}
    assert client.post(path, data=body, headers=headers).status_code == 400
