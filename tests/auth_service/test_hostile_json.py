"""R23: no body makes any endpoint stumble, whoever sends it; what is refused leaves nothing behind."""

from collections.abc import Mapping
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from contract.peer import PEER_HEADER, sign_peer
from tests.auth_service.world import PEER_SECRET, MovableClock, Person
from tests.hostile_calls import Stored, attack, endpoints, paths

OF_REFUSALS = frozenset({"audit_events"})


def test_no_body_makes_an_endpoint_stumble(
    app: Flask, client: FlaskClient, database: Path, clock: MovableClock
) -> None:
    """Without credentials, with an access token, and with the gateway's own proof."""
    stored = Stored(database, except_for=OF_REFUSALS)
    complaints: dict[str, str] = {}
    person = somebody(client, 0)

    def with_token() -> Mapping[str, str]:
        return {"Authorization": f"Bearer {person.access}"}

    def as_gateway() -> Mapping[str, str]:
        return {PEER_HEADER: sign_peer(PEER_SECRET, now=clock())}

    for place, (rule, method) in enumerate(endpoints(app)):
        for nth, path in enumerate(paths(rule, person.id)):
            for turn, credentials in enumerate((dict, with_token, as_gateway)):
                complaints |= attack(app, place * 3 + turn, path, method, credentials, stored, briefly=nth > 0)
        clock.move(100)  # so that failures are not too many
        if person.me().status_code != 200:  # logged out, expired, or gone
            person = somebody(client, place + 1)
    stored.close()
    assert complaints == {}


def somebody(client: FlaskClient, number: int) -> Person:
    """Registered, and logged in."""
    person = Person(client, f"ann{number}@example.org")
    assert person.register().status_code == 201
    assert person.log_in().status_code == 200
    return person
