"""Count the requests of a Flask service by route, method and status, and measure their durations."""

import time

from flask import Flask, Response, g, request
from prometheus_client import Counter, Histogram

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Values of the label `method`. Any other method is counted as OTHER, because clients can invent methods."""
OTHER = "other"
NO_ROUTE = "none"
"""The value of the label `route` for a request whose path or method has no route."""
HEALTH_CHECKS = frozenset({"/healthz", "/readyz"})
"""Paths that are not counted: probes would hide the requests of clients."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of duration histograms in seconds."""


def method_label(method: str) -> str:
    """Return the value of the label `method`."""
    return method if method in METHODS else OTHER


def install_request_metrics(app: Flask, requests: Counter, durations: Histogram) -> None:
    """Count every request of `app`, except health checks.

    `requests` has the labels route, method and status; `durations` has the label route, in seconds until the response
    begins. A route is the rule of its view, such as `/api/notes/<id>`. Call it after install_request_context.
    """

    def count(response: Response) -> Response:
        if request.path not in HEALTH_CHECKS:
            route = request.url_rule.rule if request.url_rule else NO_ROUTE
            requests.labels(route, method_label(request.method), str(response.status_code)).inc()
            if "started_at" in g:
                durations.labels(route).observe(time.perf_counter() - g.started_at)
        return response

    app.after_request(count)
