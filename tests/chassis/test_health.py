"""/healthz: the process serves. /readyz: it can do its work."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from chassis.health import health


class Part:
    """Something that a service depends on."""

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


def test_a_process_that_serves_is_healthy_whatever_its_parts_do(client: FlaskClient, database: Part) -> None:
    database.error = OSError("gone")
    answer = client.get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


def test_it_is_ready_when_every_part_is(client: FlaskClient) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ready"})


@pytest.mark.parametrize("error", [OSError("password=hunter2"), LookupError(), RuntimeError("x")])
def test_it_is_not_ready_while_a_part_fails_which_is_named(
    client: FlaskClient, database: Part, error: Exception
) -> None:
    """The part's name and no more: its error may hold an address or a password."""
    database.error = error
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()) == (503, {"status": "not ready", "failing": ["database"]})
    database.error = None
    assert client.get("/readyz").status_code == 200


def test_a_part_it_can_do_without_is_reported_and_does_not_decide(client: FlaskClient, cache: Part) -> None:
    cache.error = OSError()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ready", "degraded": ["cache"]})
