"""The metrics of the service: requests, durations and database connections."""

from flask import Flask
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import Engine

from chassis.metrics.request_metrics import BUCKETS, install_request_metrics
from chassis.metrics.service_metrics import metrics_of
from chassis.sql.pool_usage import connections_in_use, max_connections


def install_metrics(app: Flask, engine: Engine) -> None:
    """Create the metrics of `app`. Call it after install_request_context."""
    metrics = metrics_of(app)
    requests = Counter(
        "sallyport_resource_requests",
        "Requests answered.",
        ["route", "method", "status"],
        registry=metrics.registry,
    )
    durations = Histogram(
        "sallyport_resource_request_duration_seconds",
        "Seconds from the arrival of a request until its response begins.",
        ["route"],
        buckets=BUCKETS,
        registry=metrics.registry,
    )
    in_use = Gauge(
        "sallyport_resource_database_connections_in_use",
        "Database connections in use, of all workers.",
        multiprocess_mode="livesum",
        registry=metrics.registry,
    )
    limit = Gauge(
        "sallyport_resource_database_connections_limit",
        "Database connections that the workers may use together.",
        multiprocess_mode="livesum",
        registry=metrics.registry,
    )
    install_request_metrics(app, requests, durations)
    limit.set(max_connections(engine))

    def update_connections() -> None:
        in_use.set(connections_in_use(engine))

    metrics.update_every_second(update_connections)
