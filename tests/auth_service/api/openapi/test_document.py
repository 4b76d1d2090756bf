"""The OpenAPI document of the auth service describes every endpoint of the API."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from auth_service.api.view import ApiView
from chassis.openapi.description import description_of
from chassis.openapi.endpoint import OPENAPI_PATH


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    document: dict[str, Any] = client.get(OPENAPI_PATH).get_json()
    return document


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    """The document is valid OpenAPI 3.1."""
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_every_method_of_every_view_is_described(app: Flask) -> None:
    """A method that a view allows has a description, except HEAD and OPTIONS, which all resources answer alike."""
    missing = [
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        if isinstance(view := getattr(app.view_functions[rule.endpoint], "view_class", None), type)
        and issubclass(view, ApiView)
        and view.__name__ != "UserWithInvalidId"
        for method in view.allow.split(", ")
        if method not in ("HEAD", "OPTIONS") and description_of(getattr(view, method.lower())) is None
    ]
    assert not missing


def test_the_internal_endpoints_are_not_in_the_document(document: dict[str, Any]) -> None:
    """What only the gateway may call is not in the document."""
    assert not [path for path in document["paths"] if path.startswith("/internal")]
