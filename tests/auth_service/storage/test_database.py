"""The tables after the migrations, and the service without its tables."""

from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask import Flask
from sqlalchemy import inspect, text
from structlog.testing import capture_logs

from auth_service.storage.models import db
from auth_service.storage.schema import downgrade, install_migrations, upgrade
from chassis.sql.engine import close_database_of
from tests.auth_service.conftest import MakeApp
from tests.auth_service.world import Person


@pytest.mark.usefixtures("in_context")
def test_the_migrations_create_the_tables_of_the_models() -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "auth_alembic_version"})
        assert compare_metadata(context, db.metadata) == []


@pytest.mark.usefixtures("in_context")
def test_the_migrations_can_be_reverted_and_repeated(app: Flask) -> None:
    install_migrations(app)
    downgrade(revision="base")
    assert inspect(db.engine).get_table_names() == ["auth_alembic_version"]
    upgrade()


@pytest.mark.usefixtures("in_context")
def test_sqlite_commits_are_durable() -> None:
    with db.engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL


def test_every_thread_can_use_a_connection_at_once(make_app: MakeApp) -> None:
    """The requests' threads and the two background threads."""
    with make_app(AUTH_THREADS="30").app_context(), ExitStack() as stack:
        for _ in range(30 + 2):
            stack.enter_context(db.engine.connect())


@pytest.fixture
def app_without_tables(make_app: MakeApp, tmp_path: Path) -> Flask:
    """A service whose database has no tables: every statement fails, as with a database that is down."""
    return make_app(DATABASE_URL=f"sqlite:///{tmp_path}/empty.db")


def test_without_a_database_requests_are_answered_503_with_retry_after(
    app_without_tables: Flask, ann: Person
) -> None:
    """Never 401, because the client's tokens are valid."""
    person = Person(app_without_tables.test_client(), ann.email, access=ann.access, refresh=ann.refresh)
    for answer in (
        person.register(),
        person.log_in(),
        person.refresh_tokens(),
        person.log_out(),
        person.verify(person.refresh),
        person.verify(person.access),
        person.me(),
        person.set_password("N3wPassw0rd!!"),
    ):
        assert answer.status_code == 503
        assert answer.json == {"detail": "A store is not available at the moment.", "code": "store_unavailable"}
        assert int(answer.headers["Retry-After"]) > 0


def test_the_log_has_the_database_error_and_no_user_data(app_without_tables: Flask, ann: Person) -> None:
    with capture_logs() as logged:
        Person(app_without_tables.test_client(), ann.email).register()
    (line,) = (line for line in logged if line["event"] == "store_unavailable")
    assert line["log_level"] == "error"
    assert line["error"].startswith("no such table: ")
    assert ann.email not in line["error"]


def test_readiness_depends_on_the_database(app_without_tables: Flask, app: Flask) -> None:
    assert app.test_client().get("/readyz").json == {"status": "ready"}
    answer = app_without_tables.test_client().get("/readyz")
    assert (answer.status_code, answer.json) == (503, {"status": "not ready", "failing": ["database"]})
    assert app_without_tables.test_client().get("/healthz").status_code == 200


def test_a_worker_that_stops_without_its_database_closes_its_connections(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(DATABASE_URL=f"sqlite:///{tmp_path}/missing/auth.db")
    with app.app_context():
        pool = db.engine.pool
    with capture_logs() as logged:
        close_database_of(SimpleNamespace(wsgi=app))
    assert [line["event"] for line in logged] == ["sqlite_checkpoint_failed"]
    with app.app_context():
        assert db.engine.pool is not pool


def test_an_unknown_path_outside_auth_gets_problem_details(app: Flask) -> None:
    answer = app.test_client().get("/nowhere")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


def test_no_log_line_contains_a_token_or_a_password(ann: Person, capsys: pytest.CaptureFixture[str]) -> None:
    """Also if a log-in or a refresh fails."""
    secrets = [ann.access, ann.refresh, ann.password]
    ann.refresh_tokens()
    ann.refresh_with("junk.junk.junk")
    Person(ann.client, "nobody@example.org").log_in()
    ann.log_out()
    logged = "".join(capsys.readouterr())
    assert "refresh" in logged
    for secret in [*secrets, ann.access, ann.refresh]:
        assert secret not in logged
        assert secret.rpartition(".")[2] not in logged
