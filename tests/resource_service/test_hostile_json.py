"""Hostile bodies, queries, headers and paths cause no 5xx at any endpoint, and a refused request stores nothing."""

from collections.abc import Mapping
from pathlib import Path

from flask import Flask
from structlog.testing import capture_logs

from contract.identity import IDENTITY_HEADER
from tests.hostile_input.attack import SAMPLE, Attack, endpoints
from tests.hostile_input.stored_rows import StoredRows
from tests.resource_service.callers import Caller

REACHED = {
    *(("/api/notes/", "POST"), ("/api/notes/", "GET"), ("/api/notes/export", "GET"), ("/api/whoami", "GET")),
    *(("/api/notes/<uuid:note_id>/", "GET"), ("/api/notes/<uuid:note_id>/", "PATCH")),
}
"""Endpoints whose views the hostile requests must reach; otherwise the test would prove nothing."""


def test_no_hostile_input_causes_a_5xx(app: Flask, database: Path, ada: Caller) -> None:
    """With and without an assertion."""

    def with_assertion() -> Mapping[str, str]:
        return {IDENTITY_HEADER: ada.assertion}

    stored = StoredRows(database)
    attack = Attack(app, stored)
    with capture_logs() as lines:
        for rule, method in endpoints(app):
            attack.run(rule, method, ada.write()["id"], (with_assertion, dict))
    stored.close()
    assert [line for line in lines if line["log_level"] in ("error", "critical")] == []
    assert attack.problems == {}
    assert {endpoint: attack.sent[endpoint] for endpoint in REACHED if attack.sent[endpoint] < SAMPLE} == {}
