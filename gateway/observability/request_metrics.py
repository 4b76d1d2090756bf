"""Export the request counts of a worker to Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from chassis.metrics.request_metrics import NO_ROUTE, method_label
from gateway.observability.request_counts import BOUNDS, Durations, RequestCounts


class CountedHistogram(Histogram):
    """A histogram to which durations are added that were counted elsewhere, with the bounds BOUNDS."""

    def add(self, counted: Durations) -> None:
        """Add the counts of `counted`."""
        for bucket, count in zip(self._buckets, counted.buckets, strict=True):
            if count:
                bucket.inc(count)
        if counted.seconds:
            self._sum.inc(max(0.0, counted.seconds))


class RequestMetrics:
    """The request metrics of one worker. The label `route` is the prefix of a route in the routes file."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "sallyport_gateway_requests",
            "Responses. Status 0 is a connection that was cut.",
            ["route", "method", "status"],
            registry=registry,
        )
        self._durations = CountedHistogram(
            "sallyport_gateway_request_duration_seconds",
            "Seconds from the arrival of a request until its response was passed to the connection, without streams.",
            ["route"],
            buckets=BOUNDS,
            registry=registry,
        )
        self._upstream = CountedHistogram(
            "sallyport_gateway_upstream_duration_seconds",
            "Seconds from sending a request to a service until its response arrived, without streams.",
            ["route"],
            buckets=BOUNDS,
            registry=registry,
        )
        self._overhead = CountedHistogram(
            "sallyport_gateway_overhead_seconds",
            "Seconds that the gateway added to a request: before it was sent to a service, and after the response.",
            ["route"],
            buckets=BOUNDS,
            registry=registry,
        )

    def export(self, counts: RequestCounts) -> None:
        """Export the counts since the last call."""
        for route, taken in counts.take().items():
            label = route or NO_ROUTE
            for (method, status), count in taken.responses.items():
                self._requests.labels(label, method_label(method), str(status)).inc(count)
            self._durations.labels(label).add(taken.requests)
            if any(taken.upstream.buckets):
                self._upstream.labels(label).add(taken.upstream)
                self._overhead.labels(label).add(taken.overhead)
