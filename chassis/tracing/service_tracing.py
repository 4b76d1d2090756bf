"""Traces of a Flask service: a span for each request, each SQL statement and each call to Redis.

The spans of requests are our own: those of opentelemetry-instrumentation-flask contain the query string, in which
links of mails have their token. Imports OpenTelemetry; imported only if OTEL_EXPORTER_OTLP_ENDPOINT is set.
"""

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from flask import Flask, Response, g, request
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.util.types import Attributes
from sqlalchemy import Engine

from chassis.request_context import request_id
from chassis.tracing.sampling import Sampling
from chassis.tracing.settings import TracingSettings
from chassis.tracing.span_export import SpanExport
from chassis.tracing.statement_spans import trace_statements
from chassis.tracing.trace_context import parse_traceparent

UNTRACED_PATHS = ("/healthz", "/readyz")
RedisCommand = Callable[[Any], Any]


class ServiceTracing:
    """The tracing of one process of a service. Make it after the fork, and before the first request."""

    def __init__(self, service: str, settings: TracingSettings) -> None:
        self._export = SpanExport(service, settings)
        self._tracer: Tracer = self._export.tracer(RequestSampler(settings.sampling))
        self._settings = settings

    def trace_requests(self, app: Flask) -> None:
        """Begin a span for each request of `app`, which continues the trace of the gateway."""
        app.before_request(self._begin_request)
        app.after_request(_describe_response)
        app.teardown_request(_end_request)

    def trace_statements(self, engine: Engine) -> None:
        """Begin a span for each statement of `engine`. It has the SQL with placeholders, never a parameter."""
        trace_statements(engine, self._tracer)

    def call_redis(self, command: RedisCommand, client: Any) -> Any:
        """Call `command` with the Redis client in a span, and return its result. The span names no key or value."""
        attributes = {"db.system.name": "redis"}
        with self._tracer.start_as_current_span("redis", kind=SpanKind.CLIENT, attributes=attributes):
            return command(client)

    def close(self) -> None:
        """Send the queued spans."""
        self._export.close()

    def _begin_request(self) -> None:
        if request.path in UNTRACED_PATHS:
            return
        context = Context()
        parent = parse_traceparent(request.headers.get("traceparent", ""))
        if parent is not None:
            flags = TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT)
            remote = SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=flags)
            context = set_span_in_context(NonRecordingSpan(remote), context)
        route = request.url_rule.rule if request.url_rule else ""
        span = self._tracer.start_span(f"{request.method} {route}".strip(), context, SpanKind.SERVER)
        if span.is_recording():
            span.set_attributes(
                {
                    "http.request.method": request.method,
                    "http.route": route,
                    "url.scheme": request.scheme,
                    "sallyport.request_id": request_id(),
                }
            )
        structlog.contextvars.bind_contextvars(trace_id=f"{span.get_span_context().trace_id:032x}")
        g.span = span
        g.span_token = otel_context.attach(set_span_in_context(span, context))


def _describe_response(response: Response) -> Response:
    span = g.get("span")
    if span is not None and span.is_recording():
        span.set_attribute("http.response.status_code", response.status_code)
        if response.status_code >= 400:
            span.set_attribute("error.type", str(response.status_code))
        if response.status_code >= 500:
            span.set_status(Status(StatusCode.ERROR))
    return response


def _end_request(error: BaseException | None) -> None:
    span = g.pop("span", None)
    if span is None:
        return
    if client := g.get("logged_client"):
        span.set_attributes({"enduser.id": client["subject"], "session.id": client["sid"]})
    if error is not None:
        span.set_attribute("error.type", type(error).__name__)
        span.set_status(Status(StatusCode.ERROR))
    otel_context.detach(g.pop("span_token"))
    span.end()


class RequestSampler(Sampler):
    """Samples as `sampling` decides. Only a request begins a trace, so statements of background jobs are dropped."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide on one span."""
        parent = get_current_span(parent_context).get_span_context()
        if not parent.is_valid and kind is not SpanKind.SERVER:
            return SamplingResult(Decision.DROP)
        is_sampled = self._sampling.is_sampled(trace_id, parent.trace_flags.sampled if parent.is_valid else None)
        return SamplingResult(Decision.RECORD_AND_SAMPLE if is_sampled else Decision.DROP, attributes)

    def get_description(self) -> str:
        """Return the name of this sampler."""
        return "RequestSampler"
