"""The whole service on PostgreSQL, if it is installed. The tests of the stores are in conformance/."""

from collections.abc import Iterator

import pytest
from flask import Flask
from redis import Redis

from auth_service.app import create_app
from auth_service.services import services
from auth_service.settings import AuthSettings
from auth_service.storage.models import db
from auth_service.storage.schema import downgrade, install_migrations, upgrade
from chassis.settings import load
from tests.auth_service.forge import claims_of
from tests.auth_service.gateway_calls import Gateway
from tests.auth_service.world import Person
from tests.clocks import MovableClock
from tests.postgres import Postgres, find_program, running_postgres

pytestmark = pytest.mark.skipif(find_program("postgres") is None, reason="PostgreSQL is not installed")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def app(postgres: Postgres, environ: dict[str, str], clock: MovableClock, redis: Redis) -> Iterator[Flask]:
    settings = load(AuthSettings, environ | {"DATABASE_URL": postgres.url, "MAX_SESSIONS_PER_USER": "3"})
    app = create_app(settings, clock=clock)
    install_migrations(app)
    with app.app_context():
        upgrade()
    yield app
    with app.app_context():
        downgrade(revision="base")
        services().redis.close()
        db.engine.dispose()


def test_a_sequence_of_requests_behaves_as_on_sqlite(
    app: Flask, ann: Person, bob: Person, clock: MovableClock
) -> None:
    """A refresh, the grace time, a replay, the session limit, a browser session and the audit trail."""
    stolen = ann.refresh
    assert ann.refresh_tokens().status_code == 200
    assert claims_of(ann.access)["generation"] == 1
    successor = ann.refresh_with(stolen).json
    assert isinstance(successor, dict)
    assert successor["refresh"] == ann.refresh
    assert ann.me().status_code == 200
    clock.move(11)  # the grace time is ten seconds
    assert ann.refresh_with(stolen).status_code == 401
    assert ann.me().status_code == 401

    gateway = Gateway(ann.client, clock)
    assert gateway.open("h1").status_code == 200
    assert gateway.open("h1").status_code == 400  # the handle is in use
    clock.move(61)  # so that the exchange writes the row, which happens at most once a minute
    assert gateway.exchange("h1").status_code == 200
    for _ in range(3):  # MAX_SESSIONS_PER_USER: the browser session ends
        clock.move(1)
        ann.log_in()
    assert gateway.exchange("h1").status_code == 404
    assert gateway.end("h1").status_code == 204
    sessions = ann.call("GET", "/auth/sessions/").json
    assert isinstance(sessions, list)
    assert len(sessions) == 3
    assert ann.call("POST", "/auth/sessions/logout-others/").status_code == 204
    trail = ann.call("GET", "/auth/audit/?page_size=100").json
    assert isinstance(trail, dict)
    recorded = [record["event"] for record in trail["results"]]
    assert recorded[:4] == ["session_revoked", "session_revoked", "session_revoked", "login_ok"]
    assert recorded[-4:] == ["login_ok", "replay_detected", "login_ok", "registered"]
    assert bob.refresh_tokens().status_code == 200


def test_a_restarted_database_server_is_used_again(app: Flask, ann: Person, postgres: Postgres) -> None:
    """Meanwhile responses are 503 with Retry-After. The service needs no restart."""
    postgres.stop()
    try:
        for answer in (ann.refresh_tokens(), ann.me(), ann.log_in(), ann.call("GET", "/auth/sessions/")):
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
    finally:
        postgres.start()
    assert ann.refresh_tokens().status_code == 200
    assert ann.me().status_code == 200
