"""/healthz shows that the process runs, /readyz that its components work."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from chassis.health import health_blueprint


class Component:
    """A component that a service depends on. Its check raises `error`, if there is one."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def check(self) -> None:
        if self.error is not None:
            raise self.error


@pytest.fixture
def database() -> Component:
    return Component()


@pytest.fixture
def cache() -> Component:
    return Component()


@pytest.fixture
def client(database: Component, cache: Component) -> FlaskClient:
    app = Flask("example", static_folder=None)
    app.register_blueprint(health_blueprint({"database": database.check}, {"cache": cache.check}))
    return app.test_client()


def test_healthz_is_200_even_if_components_fail(client: FlaskClient, database: Component) -> None:
    database.error = OSError("gone")
    response = client.get("/healthz")
    assert (response.status_code, response.get_json()) == (200, {"status": "ok"})


def test_readyz_is_200_if_every_check_passes(client: FlaskClient) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.get_json()) == (200, {"status": "ready"})


@pytest.mark.parametrize("error", [OSError("password=hunter2"), LookupError(), RuntimeError("x")])
def test_readyz_is_503_and_names_the_failing_component(
    client: FlaskClient, database: Component, error: Exception
) -> None:
    """Only the name is shown: the error may contain an address or a password."""
    database.error = error
    response = client.get("/readyz")
    assert (response.status_code, response.get_json()) == (503, {"status": "not ready", "failing": ["database"]})
    database.error = None
    assert client.get("/readyz").status_code == 200


def test_a_failing_optional_component_is_reported_with_200(client: FlaskClient, cache: Component) -> None:
    cache.error = OSError()
    response = client.get("/readyz")
    assert (response.status_code, response.get_json()) == (200, {"status": "ready", "degraded": ["cache"]})
