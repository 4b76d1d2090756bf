"""An ended session is refused by /api/, /auth/, /session/, verify and refresh alike, however it ended."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from auth_service.services import services
from contract.problems import Refused
from contract.revocation import STREAM, read_revocation
from gateway.suspendable import run
from tests.auth_service.gateway_calls import hash_of
from tests.auth_service.gateway_in_front import GatewayInFront
from tests.auth_service.world import PASSWORD, Person
from tests.clocks import MovableClock

NEW_PASSWORD = "N3wPassw0rd!!"


@pytest.fixture
def gateway(client: FlaskClient, clock: MovableClock, valkey: str, tmp_path: Path) -> GatewayInFront:
    return GatewayInFront(client, clock, valkey, tmp_path)


def read_feed(gateway: GatewayInFront, redis: Redis) -> None:
    """Add the published revocations to the gateway, as its feed does within a second."""
    entries: Any = redis.xrange(STREAM)
    for _, fields in entries:
        gateway.revocations.add(read_revocation(fields))


def login_state(gateway: GatewayInFront, handle: str) -> str:
    """Return "in" or "out", as GET /session/ reports it, or the code of another refusal."""
    try:
        asyncio.run(gateway.session_cookie.valid_grant(handle))
    except Refused as refused:
        return "out" if refused.status == 401 else refused.code
    return "in"


def log_out_elsewhere(person: Person, handle: str, app: Flask) -> None:
    """End the browser session, as another worker of the gateway would, then log out."""
    with app.app_context():
        services().browser_sessions.end(hash_of(handle))
    person.log_out()


def change_password(person: Person, handle: str, app: Flask) -> None:
    other = Person(person.client, person.email)
    other.log_in()
    assert other.set_password(NEW_PASSWORD).status_code == 204


def deactivate(person: Person, handle: str, app: Flask) -> None:
    with app.app_context():
        user = services().users.find_by_email(person.email)
        assert user
        services().users.deactivate(user, services().clock())


def delete(person: Person, handle: str, app: Flask) -> None:
    answer = person.call("DELETE", "/auth/users/me/", json={"current_password": PASSWORD})
    assert answer.status_code == 204


ENDS = [log_out_elsewhere, change_password, deactivate, delete]


@pytest.mark.parametrize("end", ENDS)
def test_every_endpoint_refuses_an_ended_session(
    ann: Person, app: Flask, gateway: GatewayInFront, redis: Redis, end: Callable[[Person, str, Flask], None]
) -> None:
    """Even though the gateway has an unexpired token for the browser."""
    handle = gateway.log_in(ann.email, PASSWORD)
    for path in ("/api/x", "/auth/users/me/"):
        assert gateway.get(path, handle=handle).status == 200
        assert gateway.get(path, access=ann.access).status == 200
    assert login_state(gateway, handle) == "in"
    assert ann.verify(ann.access).status_code == 200
    end(ann, handle, app)
    read_feed(gateway, redis)
    assert login_state(gateway, handle) == "out"
    for path in ("/api/x", "/auth/users/me/"):
        assert gateway.get(path, handle=handle).status == 401
        assert gateway.get(path, access=ann.access).status == 401
    assert login_state(gateway, handle) == "out"
    refused = ann.verify(ann.access)
    assert (refused.status_code, refused.json) == (
        401,
        {"detail": "Token is blacklisted", "code": "token_not_valid"},
    )
    assert ann.verify(ann.refresh).status_code == 400  # as in djoser
    assert ann.refresh_tokens().status_code == 401


def test_the_session_in_which_a_password_is_changed_stays_valid(
    ann: Person, gateway: GatewayInFront, redis: Redis, clock: MovableClock
) -> None:
    ann.set_password(NEW_PASSWORD)
    read_feed(gateway, redis)
    assert ann.verify(ann.access).status_code == 200
    assert gateway.get("/api/x", access=ann.access).status == 200


# --- a log-in with a session cookie --------------------------------------------------------------------------------


def log_in_with_cookie(
    gateway: GatewayInFront, old: str, password: str = PASSWORD, email: str = "ann@example.org"
) -> str:
    """Log in from a browser that sends the cookie with the handle `old`; return the new handle."""
    opened = asyncio.run(
        gateway.sessions.log_in(email, password, device="a browser", address="192.0.2.1", replaces=old)
    )
    return opened.handle


def test_a_log_in_ends_the_session_of_its_cookie(
    ann: Person, bob: Person, gateway: GatewayInFront, redis: Redis
) -> None:
    """ASVS 5.0, 7.2.4: the new log-in may be of the same user or of another one. All other sessions stay."""
    untouched = gateway.log_in(ann.email, PASSWORD)
    first = gateway.log_in(ann.email, PASSWORD)
    access = asyncio.run(run(gateway.sessions.get_grant(first))).access
    second = log_in_with_cookie(gateway, first)
    third = log_in_with_cookie(gateway, second, email=bob.email)
    read_feed(gateway, redis)
    assert [login_state(gateway, handle) for handle in (untouched, first, second, third)] == [
        "in",
        "out",
        "out",
        "in",
    ]
    assert gateway.get("/api/x", access=access).status == 401
    assert ann.verify(access).status_code == 401
    assert ann.verify(ann.access).status_code == 200


def test_a_log_in_that_fails_ends_nothing(ann: Person, gateway: GatewayInFront) -> None:
    handle = gateway.log_in(ann.email, PASSWORD)
    with pytest.raises(Exception, match="401"):
        log_in_with_cookie(gateway, handle, password="wrong")
    assert login_state(gateway, handle) == "in"


def test_a_log_in_with_an_ended_cookie_succeeds(ann: Person, gateway: GatewayInFront) -> None:
    handle = gateway.log_in(ann.email, PASSWORD)
    asyncio.run(gateway.sessions.log_out(handle))
    assert login_state(gateway, log_in_with_cookie(gateway, handle)) == "in"
    assert login_state(gateway, log_in_with_cookie(gateway, "made-up")) == "in"


def test_the_trail_contains_that_a_log_in_replaced_the_session(ann: Person, gateway: GatewayInFront) -> None:
    log_in_with_cookie(gateway, gateway.log_in(ann.email, PASSWORD))
    answer = ann.call("GET", "/auth/audit/")
    assert answer.json
    details = [row.get("detail", {}).get("reason") for row in answer.json["results"]]
    assert details.count("replaced by a log-in") == 1
