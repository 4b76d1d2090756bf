"""Metrics that are read from other parts of a worker once a second: cache misses, streams and usage reports."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge

Read = Callable[[], int]
"""Returns the current value of a number."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What is read. `cache_misses` returns for each cache how many look-ups found nothing since the start."""

    cache_misses: Mapping[str, Read]
    open_streams: Read
    max_streams: int
    pending_usage_reports: Read


class WorkerMetrics:
    """The metrics of one worker."""

    def __init__(self, registry: CollectorRegistry, observed: Observed) -> None:
        self._observed = observed
        self._exported = dict.fromkeys(observed.cache_misses, 0)
        self._cache_misses = Counter(
            "sallyport_gateway_cache_misses", "Look-ups that found nothing, by cache.", ["cache"], registry=registry
        )
        self._open_streams = Gauge(
            "sallyport_gateway_streams_open",
            "Event streams and WebSockets that are open, of all workers.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._max_streams = Gauge(
            "sallyport_gateway_streams_limit",
            "Streams that the workers may keep open together; more are answered 503.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._usage_reports = Gauge(
            "sallyport_gateway_usage_reports_pending",
            "Sessions whose use was not reported to the auth service yet, of all workers.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._max_streams.set(observed.max_streams)

    def export(self) -> None:
        """Read and export the current values."""
        for cache, read in self._observed.cache_misses.items():
            misses = read()
            # The caches of an address end with it, so a sum may become smaller.
            self._cache_misses.labels(cache).inc(max(0, misses - self._exported[cache]))
            self._exported[cache] = misses
        self._open_streams.set(self._observed.open_streams())
        self._usage_reports.set(self._observed.pending_usage_reports())
