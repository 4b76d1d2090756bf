"""The OpenAPI document of the notes service describes every view under /api/."""

from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from chassis.openapi.description import description_of
from chassis.openapi.endpoint import OPENAPI_PATH


def test_the_document_is_valid_and_needs_no_identity(client: FlaskClient) -> None:
    """The gateway reads the document without an assertion."""
    document = client.get(OPENAPI_PATH).get_json()
    validate(document)
    assert "/api/notes/{note_id}/" in document["paths"]


def test_every_view_under_api_is_described(app: Flask) -> None:
    """A new view without a description is found here."""
    views = {rule.rule: app.view_functions[rule.endpoint] for rule in app.url_map.iter_rules()}
    assert not [path for path, view in views.items() if path.startswith("/api/") and description_of(view) is None]
