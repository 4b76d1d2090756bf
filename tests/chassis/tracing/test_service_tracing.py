"""A Flask service continues the trace of the gateway; its statements and Redis calls are spans in it."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, abort
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError

from chassis.problem_details import install_problem_details
from chassis.request_context import install_request_context, note_client
from chassis.settings import load
from chassis.tracing.settings import TracingSettings
from chassis.tracing.worker import start_tracing, stop_tracing
from tests.otlp_collector import Collector, Span, collecting

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class RedisStandIn:
    """A client whose commands tracing runs."""

    run_command = staticmethod(lambda command, client: command(client))


@pytest.fixture(scope="module")
def shared_collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture
def collector(shared_collector: Collector) -> Collector:
    shared_collector.spans.clear()
    shared_collector.bodies.clear()
    return shared_collector


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'any.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def app(engine: Engine, collector: Collector) -> Flask:
    app, redis = Flask("any"), RedisStandIn()
    install_request_context(app)
    install_problem_details(app)

    @app.get("/items/<name>")
    def item(name: str) -> str:
        note_client("ada-id", "ada-session")
        with engine.connect() as connection:
            connection.execute(text("SELECT :name"), {"name": "secret-value"})
        redis.run_command(lambda client: None, redis)
        return name

    @app.get("/broken")
    def broken() -> str:
        with engine.connect() as connection, pytest.raises(OperationalError):
            connection.execute(text("SELECT * FROM missing"))
        abort(500)

    settings = load(TracingSettings, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    start_tracing(app, "sallyport-any", settings, engine, redis)
    return app


def spans_of(app: Flask, collector: Collector, path: str, traceparent: str = "") -> list[Span]:
    """Send a GET, and return the spans of the process after it has stopped."""
    headers = {"traceparent": traceparent} if traceparent else {}
    app.test_client().get(path, headers=headers)
    stop_tracing(app)
    return collector.spans


def test_the_spans_of_a_request_continue_the_trace(app: Flask, collector: Collector) -> None:
    spans = spans_of(app, collector, "/items/a?token=secret-query", f"00-{TRACE}-{PARENT}-01")
    statement, redis, own = spans
    assert {span.trace_id for span in spans} == {TRACE}
    assert (own.parent_id, statement.parent_id, redis.parent_id) == (PARENT, own.span_id, own.span_id)
    assert (own.service, own.name) == ("sallyport-any", "GET /items/<name>")
    assert own.attributes["http.response.status_code"] == 200
    assert (own.attributes["enduser.id"], own.attributes["session.id"]) == ("ada-id", "ada-session")
    assert (statement.name, statement.attributes["db.query.text"]) == ("SELECT", "SELECT ?")
    assert redis.attributes == {"db.system.name": "redis"}
    assert b"secret" not in b"".join(collector.bodies)


def test_a_failed_statement_and_a_failed_request_are_errors(
    app: Flask, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    statement, own = spans_of(app, collector, "/broken")
    assert (statement.is_error, own.is_error) == (True, True)
    assert (statement.attributes["error.type"], own.attributes["error.type"]) == ("OperationalError", "500")


@pytest.mark.parametrize(("path", "flag"), [("/items/a", "00"), ("/healthz", "01")])
def test_an_unsampled_trace_and_a_health_check_are_not_recorded(
    app: Flask, collector: Collector, path: str, flag: str
) -> None:
    assert spans_of(app, collector, path, f"00-{TRACE}-{PARENT}-{flag}") == []


def test_a_statement_of_a_background_job_begins_no_trace(app: Flask, engine: Engine, collector: Collector) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    stop_tracing(app)
    assert collector.spans == []
