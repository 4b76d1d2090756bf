"""Spans of SQL statements. Imports OpenTelemetry.

opentelemetry-instrumentation-sqlalchemy does the same for SQLAlchemy before 2.1.
"""

from typing import Any

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, get_current_span
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

_SYSTEMS = {"sqlite": "sqlite", "postgresql": "postgresql"}
"""Values of db.system.name by the dialect's name."""


def trace_statements(engine: Engine, tracer: Tracer) -> None:
    """Begin a span for each statement of `engine` within a recorded one. It has the SQL, and never a parameter."""
    statements = _Statements(tracer, _SYSTEMS.get(engine.dialect.name, "other_sql"))
    event.listen(engine, "before_cursor_execute", statements.begin)
    event.listen(engine, "after_cursor_execute", statements.end)
    event.listen(engine, "handle_error", statements.fail)


class _Statements:
    def __init__(self, tracer: Tracer, system: str) -> None:
        self._tracer = tracer
        self._system = system

    def begin(self, connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        span: Span | None = None
        if get_current_span().is_recording():
            operation = statement.split(None, 1)[0].upper() if statement.strip() else "SQL"
            attributes = {"db.system.name": self._system, "db.operation.name": operation, "db.query.text": statement}
            span = self._tracer.start_span(operation, kind=SpanKind.CLIENT, attributes=attributes)
        connection.info.setdefault(self, []).append(span)

    def end(self, connection: Connection, *_: Any) -> None:
        if span := self._pop(connection):
            span.end()

    def fail(self, context: ExceptionContext) -> None:
        if context.connection is None or not (span := self._pop(context.connection)):
            return
        # The type alone: the message of a driver may contain values.
        span.set_attribute("error.type", type(context.original_exception).__name__)
        span.set_status(Status(StatusCode.ERROR))
        span.end()

    def _pop(self, connection: Connection) -> Span | None:
        begun: list[Span | None] = connection.info.get(self) or [None]
        return begun.pop()
