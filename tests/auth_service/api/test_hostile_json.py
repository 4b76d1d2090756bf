"""R23: nothing that is sent makes any endpoint stumble, whoever sends it; what is refused leaves nothing behind."""

from collections.abc import Mapping
from itertools import count
from pathlib import Path

from flask.testing import FlaskClient
from structlog.testing import capture_logs

from contract.peer import PEER_HEADER, sign_peer
from tests.auth_service.conftest import MakeApp
from tests.auth_service.world import PEER_SECRET, Person
from tests.clocks import MovableClock
from tests.hostile_calls import SHARE, Attack, Stored, endpoints

OF_REFUSALS = frozenset({"audit_events"})
LISTENING = {
    *(("/auth/users/", "POST"), ("/auth/users/me/", "PATCH"), ("/auth/users/me/", "DELETE")),
    *(("/auth/users/set_password/", "POST"), ("/auth/jwt/create/", "POST"), ("/auth/jwt/refresh/", "POST")),
    *(("/auth/jwt/verify/", "POST"), ("/auth/jwt/blacklist/", "POST"), ("/internal/seen", "POST")),
    *(("/internal/sessions", "POST"), ("/internal/sessions/exchange", "POST"), ("/internal/sessions/end", "POST")),
    *(("/auth/users/me/", "GET"), ("/auth/users/", "GET")),
}
"""Some of the endpoints that have to be reached: else nothing below would mean anything."""


def test_nothing_makes_an_endpoint_stumble(make_app: MakeApp, database: Path, clock: MovableClock) -> None:
    """With an access token, with the gateway's own proof, and without either; nobody is throttled."""
    app = make_app(RATE_LIMITS="off")
    client = app.test_client()
    stored = Stored(database, except_for=OF_REFUSALS)
    numbers = count()
    person = somebody(client, next(numbers))

    def settle() -> None:
        nonlocal person
        if person.me().status_code != 200:  # logged out, or gone
            person = somebody(client, next(numbers))

    def with_token() -> Mapping[str, str]:
        return {"Authorization": f"Bearer {person.access}"}

    def as_gateway() -> Mapping[str, str]:
        return {PEER_HEADER: sign_peer(PEER_SECRET, now=clock())}

    attack = Attack(app, stored, settle)
    with capture_logs() as lines:
        for rule, method in endpoints(app):
            attack.play(rule, method, person.id, (with_token, as_gateway, dict))
    stored.close()
    assert [line for line in lines if line["log_level"] in ("error", "critical")] == []
    assert attack.complaints == {}
    assert {endpoint: attack.sent[endpoint] for endpoint in LISTENING if attack.sent[endpoint] < SHARE} == {}


def somebody(client: FlaskClient, number: int) -> Person:
    """Registered, and logged in."""
    person = Person(client, f"ann{number}@example.org")
    assert person.register().status_code == 201
    assert person.log_in().status_code == 200
    return person
