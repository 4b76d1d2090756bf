"""Count the requests of the auth service and measure their durations."""

from flask import Flask
from prometheus_client import Counter, Histogram

from chassis.metrics.request_metrics import BUCKETS, install_request_metrics
from chassis.metrics.service_metrics import metrics_of


def count_requests(app: Flask) -> None:
    """Count every request of `app`, except health checks. Call it after install_request_context."""
    registry = metrics_of(app).registry
    install_request_metrics(
        app,
        Counter("sallyport_auth_requests", "Requests answered.", ["route", "method", "status"], registry=registry),
        Histogram(
            "sallyport_auth_request_duration_seconds",
            "Seconds from the arrival of a request until its response begins.",
            ["route"],
            buckets=BUCKETS,
            registry=registry,
        ),
    )
