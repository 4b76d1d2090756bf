"""R23: no body makes any endpoint stumble, whoever sends it; what is refused leaves nothing behind."""

from collections.abc import Mapping
from pathlib import Path

from flask import Flask

from contract.identity import IDENTITY_HEADER
from tests.hostile_calls import Stored, attack, endpoints, paths
from tests.resource_service.callers import Caller


def test_no_body_makes_an_endpoint_stumble(app: Flask, database: Path, ada: Caller) -> None:
    """With and without an assertion."""
    stored = Stored(database)

    def with_assertion() -> Mapping[str, str]:
        return {IDENTITY_HEADER: ada.assertion}

    complaints: dict[str, str] = {}
    for place, (rule, method) in enumerate(endpoints(app)):
        for nth, path in enumerate(paths(rule, ada.write()["id"])):
            for turn, credentials in enumerate((dict, with_assertion)):
                complaints |= attack(app, place * 2 + turn, path, method, credentials, stored, briefly=nth > 0)
    stored.close()
    assert complaints == {}
