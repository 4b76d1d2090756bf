"""/healthz shows that the process is alive, /readyz that its components work."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from chassis.health import health


class Part:
    """A component that a service depends on."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def check(self) -> None:
        if self.error is not None:
            raise self.error


@pytest.fixture
def database() -> Part:
    return Part()


@pytest.fixture
def cache() -> Part:
    return Part()


@pytest.fixture
def client(database: Part, cache: Part) -> FlaskClient:
    app = Flask("example", static_folder=None)
    app.register_blueprint(health({"database": database.check}, {"cache": cache.check}))
    return app.test_client()


def test_healthz_is_200_even_if_components_fail(client: FlaskClient, database: Part) -> None:
    database.error = OSError("gone")
    answer = client.get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


def test_readyz_is_200_if_every_check_passes(client: FlaskClient) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ready"})


@pytest.mark.parametrize("error", [OSError("password=hunter2"), LookupError(), RuntimeError("x")])
def test_readyz_is_503_and_names_the_failing_component(client: FlaskClient, database: Part, error: Exception) -> None:
    """Only the name is shown: the error may contain an address or a password."""
    database.error = error
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()) == (503, {"status": "not ready", "failing": ["database"]})
    database.error = None
    assert client.get("/readyz").status_code == 200


def test_a_failing_optional_component_is_reported_with_200(client: FlaskClient, cache: Part) -> None:
    cache.error = OSError()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ready", "degraded": ["cache"]})
