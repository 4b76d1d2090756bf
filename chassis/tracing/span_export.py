"""Export spans to an OpenTelemetry collector, in batches, by a background thread. Imports OpenTelemetry.

Failure policy: if the collector is slow or down, spans wait in a bounded queue, and the oldest are dropped. No
request waits and none fails. A process that stops sends what is queued for at most FLUSH_SECONDS.

Start it after the fork of a worker: its thread does not survive a fork.
"""

import threading
import time

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, Tracer

from chassis.clock import Clock
from chassis.tracing.export_failures import ExportFailures, ReportingProcessor
from chassis.tracing.finished_span import FinishedSpan
from chassis.tracing.settings import TracingSettings
from chassis.tracing.trace_context import TraceParent

FLUSH_SECONDS = 3.0
_SCOPE = InstrumentationScope("sallyport")


class SpanExport:
    """The export of one process."""

    def __init__(self, service: str, settings: TracingSettings, monotonic: Clock = time.monotonic) -> None:
        self._resource = Resource.create({"service.name": settings.otel_service_name or service})
        self.failures = ExportFailures(monotonic)
        """Counts and logs the spans that could not be exported."""
        self.failures.install()
        self._processor = ReportingProcessor(OTLPSpanExporter(endpoint=settings.traces_url), self.failures)

    @property
    def waiting(self) -> int:
        """Return the number of spans in the queue."""
        return self._processor.waiting

    def tracer(self, sampler: Sampler) -> Tracer:
        """Return a tracer whose spans are exported. `sampler` decides which are recorded."""
        provider = TracerProvider(sampler=sampler, resource=self._resource, shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        return provider.get_tracer(_SCOPE.name)

    def add(self, span: FinishedSpan) -> None:
        """Queue a span that was sampled when it began.

        It is not begun by a tracer, which takes twice the time.
        """
        parent = TraceParent(span.own.trace_id, span.parent_span_id, sampled=True) if span.parent_span_id else None
        self._processor.on_end(
            ReadableSpan(
                span.name,
                context=_span_context(span.own, is_remote=False),
                parent=_span_context(parent) if parent else None,
                resource=self._resource,
                attributes=span.attributes,
                links=[Link(_span_context(span.link))] if span.link else [],
                kind=SpanKind.SERVER if span.is_server else SpanKind.CLIENT,
                status=Status(StatusCode.ERROR if span.is_error else StatusCode.UNSET),
                start_time=_nanoseconds(span.started),
                end_time=_nanoseconds(span.ended),
                instrumentation_scope=_SCOPE,
            )
        )

    def close(self) -> None:
        """Send what is queued, for at most FLUSH_SECONDS."""
        # The processor's own shutdown waits for 30 seconds if the collector does not answer.
        flush = threading.Thread(target=self._shut_down, name="span export flush", daemon=True)
        flush.start()
        flush.join(FLUSH_SECONDS)

    def _shut_down(self) -> None:
        self._processor.shutdown()  # type: ignore[no-untyped-call]  # BatchSpanProcessor.shutdown has no annotation
        self.failures.remove()


def _span_context(of: TraceParent, *, is_remote: bool = True) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if of.sampled else TraceFlags.DEFAULT)
    return SpanContext(int(of.trace_id, 16), int(of.span_id, 16), is_remote=is_remote, trace_flags=flags)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
