"""R23: nothing that is sent makes any endpoint stumble, whoever sends it; what is refused leaves nothing behind."""

from collections.abc import Mapping
from pathlib import Path

from flask import Flask
from structlog.testing import capture_logs

from contract.identity import IDENTITY_HEADER
from tests.hostile_calls import SHARE, Attack, Stored, endpoints
from tests.resource_service.callers import Caller

LISTENING = {
    *(("/api/notes/", "POST"), ("/api/notes/", "GET"), ("/api/notes/export", "GET"), ("/api/whoami", "GET")),
    *(("/api/notes/<uuid:note_id>/", "GET"), ("/api/notes/<uuid:note_id>/", "PATCH")),
}
"""Some of the endpoints that have to be reached: else nothing below would mean anything."""


def test_nothing_makes_an_endpoint_stumble(app: Flask, database: Path, ada: Caller) -> None:
    """With and without an assertion."""

    def with_assertion() -> Mapping[str, str]:
        return {IDENTITY_HEADER: ada.assertion}

    stored = Stored(database)
    attack = Attack(app, stored)
    with capture_logs() as lines:
        for rule, method in endpoints(app):
            attack.play(rule, method, ada.write()["id"], (with_assertion, dict))
    stored.close()
    assert [line for line in lines if line["log_level"] in ("error", "critical")] == []
    assert attack.complaints == {}
    assert {endpoint: attack.sent[endpoint] for endpoint in LISTENING if attack.sent[endpoint] < SHARE} == {}
