"""The traces of one worker, if OTEL_EXPORTER_OTLP_ENDPOINT is set."""

import asyncio

from chassis.clock import Clock
from chassis.tracing.settings import TracingSettings
from gateway.observability.request_tracing import RequestTracing
from gateway.tokens.call_spans import CallSpans


class WorkerTracing:
    """The traces of requests, and of the calls to the auth service. Make it after the fork."""

    def __init__(self, settings: TracingSettings, traceparent_from: str, clock: Clock) -> None:
        # Imported here, because without traces nothing of OpenTelemetry is loaded.
        from chassis.tracing.span_export import SpanExport

        self._export = SpanExport("sallyport-gateway", settings)
        self.requests = RequestTracing(settings.sampling, self._export.add, traceparent_from)
        self.calls = CallSpans(self._export.add, clock)

    async def close_when_cancelled(self) -> None:
        """Wait until cancelled, then send the queued spans."""
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.to_thread(self._export.close)


def worker_tracing(settings: TracingSettings, traceparent_from: str, clock: Clock) -> WorkerTracing | None:
    """Return the traces of a worker; None if the settings name no collector."""
    return WorkerTracing(settings, traceparent_from, clock) if settings.traces_url else None
