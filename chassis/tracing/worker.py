"""Start and stop the traces of a service in a gunicorn worker."""

from typing import Any

from flask import Flask
from sqlalchemy import Engine

from chassis.tracing.settings import TracingSettings

_EXTENSION = "sallyport_tracing"


def start_tracing(app: Flask, service: str, settings: TracingSettings, engine: Engine, redis: Any = None) -> None:
    """Trace the requests of `app` and the statements of `engine`, if the settings name a collector.

    `redis` is a client whose `run_command` is replaced. Call it after the fork, and before the first request.
    """
    if not settings.traces_url:
        return
    # Imported here, because without traces nothing of OpenTelemetry is loaded.
    from chassis.tracing.service_tracing import ServiceTracing

    tracing = app.extensions[_EXTENSION] = ServiceTracing(service, settings)
    tracing.trace_requests(app)
    tracing.trace_statements(engine)
    if redis is not None:
        redis.run_command = tracing.call_redis


def stop_tracing(app: object) -> None:
    """Send the queued spans of `app`. A worker that failed to start has no application."""
    if isinstance(app, Flask) and (tracing := app.extensions.pop(_EXTENSION, None)):
        tracing.close()
