"""A service whose users must verify their addresses."""

import pytest
from flask import Flask

from tests.auth_service.conftest import MakeApp
from tests.auth_service.world import Operator, Person


@pytest.fixture
def verifying_app(make_app: MakeApp) -> Flask:
    """The service with activation mails."""
    return make_app(SEND_ACTIVATION_EMAIL="on")


@pytest.fixture
def verifying_operator(verifying_app: Flask) -> Operator:
    return Operator(verifying_app)


@pytest.fixture
def new_ann(verifying_app: Flask) -> Person:
    """A user who has registered and not verified the address."""
    person = Person(verifying_app.test_client())
    assert person.register().status_code == 201
    return person
