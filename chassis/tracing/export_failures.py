"""Report spans that were not exported: one log event a minute, instead of OpenTelemetry's several lines a second.

Imports OpenTelemetry.
"""

import logging
import threading
from collections.abc import Sequence

import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from chassis.clock import Clock

LOG_INTERVAL = 60.0
"""Seconds between two `spans_lost` events of one process."""

_LOGGERS = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")
"""The loggers of the exporter and of the queue."""

_log = structlog.get_logger("tracing")


class ExportFailures(logging.Handler):
    """Counts lost spans and logs their number. As a handler, it replaces the output of OpenTelemetry's loggers.

    Any thread may call it.
    """

    def __init__(self, monotonic: Clock) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._count_lock = threading.Lock()
        self.unlogged = 0
        """The number of spans that were lost since the last event."""
        self._error = ""
        self._quiet_until = float("-inf")

    def install(self) -> None:
        """Receive the records of OpenTelemetry's loggers, in place of the handlers of the root logger."""
        for logger in map(logging.getLogger, _LOGGERS):
            logger.addHandler(self)
            logger.propagate = False

    def remove(self) -> None:
        """Undo `install`."""
        for logger in map(logging.getLogger, _LOGGERS):
            logger.removeHandler(self)
            logger.propagate = True

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first message about a batch as the reason of the next event. Later ones do not name the cause."""
        self._error = self._error or record.getMessage()

    def begin_batch(self) -> None:
        """Forget the reason of the batch before."""
        self._error = ""

    def add(self, spans: int) -> None:
        """Count lost spans. Log an event unless there was one within LOG_INTERVAL seconds."""
        with self._count_lock:
            self.unlogged += spans
            now = self._monotonic()
            if now < self._quiet_until:
                return
            self._quiet_until = now + LOG_INTERVAL
            lost, self.unlogged = self.unlogged, 0
        _log.warning("spans_lost", lost=lost, error=self._error)

    def end(self) -> None:
        """Record that spans were exported. Log an event if spans were lost since the last success."""
        with self._count_lock:
            if self._quiet_until == float("-inf"):
                return
            self._quiet_until = float("-inf")
            lost, self.unlogged = self.unlogged, 0
        _log.info("span_export_recovered", lost=lost)


class ReportingExporter(SpanExporter):
    """An exporter that reports the spans which `exporter` could not send."""

    def __init__(self, exporter: SpanExporter, failures: ExportFailures) -> None:
        self._exporter = exporter
        self._failures = failures

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send `spans`; `exporter` tries again for OTEL_EXPORTER_OTLP_TIMEOUT seconds at most."""
        self._failures.begin_batch()
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._failures.end()
        else:
            self._failures.add(len(spans))
        return result

    def shutdown(self) -> None:
        """Stop trying again, and close the connections."""
        self._exporter.shutdown()


class ReportingProcessor(BatchSpanProcessor):
    """A queue of finished spans that reports the spans which it drops because it is full."""

    def __init__(self, exporter: SpanExporter, failures: ExportFailures) -> None:
        super().__init__(ReportingExporter(exporter, failures))
        self._failures = failures
        # Not public, but the library counts dropped spans only with metrics of its own. Read here, so that a version
        # without it stops the start and no request.
        self._queue = self._batch_processor._queue

    @property
    def waiting(self) -> int:
        """Return the number of spans in the queue."""
        return len(self._queue)

    def on_end(self, span: ReadableSpan) -> None:
        """Queue `span` if it was sampled. If the queue is full, the oldest span is dropped."""
        if span.context and span.context.trace_flags.sampled and self.waiting == self._queue.maxlen:
            self._failures.add(1)
        super().on_end(span)
