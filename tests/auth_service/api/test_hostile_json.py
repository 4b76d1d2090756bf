"""Hostile bodies, queries, headers and paths cause no 5xx at any endpoint, and a refused request stores nothing."""

import secrets
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from contract.page_session import OFFER_HEADER, SessionOffer, sign_offer
from contract.peer_token import PEER_HEADER, sign_peer
from tests.auth_service.conftest import MakeApp
from tests.auth_service.world import PEER_SECRET, Person
from tests.clocks import MovableClock
from tests.hostile_input.attack import SAMPLE, Attack, endpoints
from tests.hostile_input.stored_rows import StoredRows

TABLES_OF_REFUSALS = frozenset({"audit_events"})
"""Tables in which a refused request may store a row."""
REACHED = {
    *(("/auth/users/", "POST"), ("/auth/users/me/", "PATCH"), ("/auth/users/me/", "DELETE")),
    *(("/auth/users/set_password/", "POST"), ("/auth/jwt/create/", "POST"), ("/auth/jwt/refresh/", "POST")),
    *(("/auth/jwt/verify/", "POST"), ("/auth/jwt/blacklist/", "POST"), ("/internal/seen", "POST")),
    *(("/internal/sessions", "POST"), ("/internal/sessions/exchange", "POST"), ("/internal/sessions/end", "POST")),
    *(("/auth/users/me/", "GET"), ("/auth/users/", "GET")),
    *(("/auth/users/activation/", "POST"), ("/auth/users/resend_activation/", "POST")),
    *(("/auth/users/reset_password/", "POST"), ("/auth/users/reset_password_confirm/", "POST")),
    *(("/auth/users/set_email/", "POST"), ("/auth/users/reset_email/", "POST")),
    ("/auth/users/reset_email_confirm/", "POST"),
    *(("/auth/login/", "GET"), ("/auth/login/", "POST"), ("/auth/register/", "POST"), ("/auth/activate/", "POST")),
    *(("/auth/account/profile/", "POST"), ("/auth/account/email/", "POST"), ("/auth/account/password/", "POST")),
    *(("/auth/account/delete/", "POST"), ("/auth/password/reset/", "POST"), ("/auth/email/reset/", "POST")),
    *(("/auth/activate/confirm/", "POST"), ("/auth/password/reset/confirm/", "POST")),
    ("/auth/email/reset/confirm/", "POST"),
}
"""Endpoints whose views the hostile requests must reach; otherwise the test would prove nothing."""

PARTS = 8
"""Number of parts of the endpoints, one for each test: a full run of all takes longer than a test may."""


@pytest.mark.parametrize("part", range(PARTS))
def test_no_hostile_input_causes_a_5xx(make_app: MakeApp, database: Path, clock: MovableClock, part: int) -> None:
    """With an access token, with the gateway's peer token, and without credentials. The log-in throttle is off."""
    app = make_app(RATE_LIMITS="off")
    client = app.test_client()
    stored = StoredRows(database, except_for=TABLES_OF_REFUSALS)
    numbers = count()
    person = new_person(client, next(numbers))

    def restore_log_in() -> None:
        nonlocal person
        if person.me().status_code != 200:  # logged out or deleted
            person = new_person(client, next(numbers))

    def with_token() -> Mapping[str, str]:
        offer = sign_offer(SessionOffer(secrets.token_hex(32), None), PEER_SECRET, now=clock())
        return {"Authorization": f"Bearer {person.access}", OFFER_HEADER: offer}

    def as_gateway() -> Mapping[str, str]:
        return {PEER_HEADER: sign_peer(PEER_SECRET, now=clock())}

    attack = Attack(app, stored, restore_log_in)
    attacked = endpoints(app)[part::PARTS]
    with capture_logs() as lines:
        for rule, method in attacked:
            attack.run(rule, method, person.id, (with_token, as_gateway, dict))  # dict() has no credentials
    stored.close()
    assert [line for line in lines if line["log_level"] in ("error", "critical")] == []
    assert attack.problems == {}
    reached = REACHED & {(rule.rule, method) for rule, method in attacked}
    assert {endpoint: attack.sent[endpoint] for endpoint in reached if attack.sent[endpoint] < SAMPLE} == {}


def test_every_endpoint_that_must_be_reached_exists(make_app: MakeApp) -> None:
    assert {(rule.rule, method) for rule, method in endpoints(make_app())} >= REACHED


def new_person(client: FlaskClient, number: int) -> Person:
    """Return a person who has registered and logged in."""
    person = Person(client, f"ann{number}@example.org")
    assert person.register().status_code == 201
    assert person.log_in().status_code == 200
    return person
