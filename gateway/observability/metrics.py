"""The gateway's metrics. A request adds to plain counters; a background task moves them to Prometheus every second.

The Prometheus client locks and writes to a memory-mapped file for every increment, which is too slow per request.
"""

import asyncio
from collections import Counter as Tally
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from chassis.clock import Clock
from gateway.observability.request_counts import RequestCounts
from gateway.observability.request_metrics import RequestMetrics
from gateway.tokens.revocation_feed import RevocationFeed
from gateway.tokens.revocations import Revocations

TRANSFER_SECONDS = 1.0
"""Seconds between two transfers."""


class Metrics:
    """The metrics of one worker."""

    def __init__(self, feed: RevocationFeed, revocations: Revocations, clock: Clock) -> None:
        self.registry = CollectorRegistry()
        self._feed = feed
        self._revocations = revocations
        self._clock = clock
        self.requests = RequestCounts()
        """Requests since the last transfer."""
        self._updates: list[Callable[[], None]] = []
        self.withheld_fields = 0
        """Request fields that were not forwarded because of their names, since the last transfer."""
        self.malformed: Tally[str] = Tally()
        """Malformed requests by error code, since the last transfer."""
        self._request_metrics = RequestMetrics(self.registry)
        self._withheld_fields = Counter(
            "sallyport_gateway_withheld_fields",
            "Request fields that were not forwarded because of their names. A repeated request with the same bytes,"
            " apart from its token, is not counted again.",
            registry=self.registry,
        )
        self._malformed_requests = Counter(
            "sallyport_gateway_malformed_requests",
            "Requests refused before they were complete: malformed HTTP or PROXY header, oversized head, late head or"
            " body.",
            ["code"],
            registry=self.registry,
        )
        self._feed_age = self._max_gauge(
            "sallyport_gateway_revocation_feed_age_seconds",
            "Seconds since the revocation feed was last read to its end; infinite before the first time.",
        )
        self._rate_limits_local = self._max_gauge(
            "sallyport_gateway_limits_alone",
            "1 while a worker counts requests for rate limits locally, because Redis is unavailable.",
        )
        self._revoked = self._max_gauge(
            "sallyport_gateway_revocations", "Revoked sessions and subjects that a worker holds in memory."
        )

    def set_routes(self, version: str, *, reload_failed: bool) -> None:
        """Export the version of the routes that this worker uses until it stops."""
        routes_gauge = Gauge(
            "sallyport_gateway_routes_in_force",
            "Workers by the version of their routes: the first digits of the file's SHA-256.",
            ["version"],
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        routes_gauge.labels(version).set(1)
        self._max_gauge(
            "sallyport_gateway_routes_refused",
            "1 if the last reload refused the routes file, so that the previous routes are still in force.",
        ).set(reload_failed)

    def count_withheld_fields(self, count: int) -> None:
        """Count `count` request fields that are not forwarded because of their names."""
        self.withheld_fields += count

    def update_at_transfer(self, update: Callable[[], None]) -> None:
        """Call `update` before each transfer: it exports what other parts count in memory."""
        self._updates.append(update)

    def set_rate_limits_local(self, is_local: bool) -> None:
        """Set whether this worker counts requests for rate limits locally, without Redis."""
        self._rate_limits_local.set(1 if is_local else 0)

    def count_malformed(self, status: int, code: str) -> None:
        """Count a malformed request by the response's `status` (0 if there is none) and the error `code`."""
        self.requests.add_untimed("", "", status)
        self.malformed[code] += 1

    def transfer(self) -> None:
        """Move the counts to Prometheus."""
        self._request_metrics.export(self.requests)
        for update in self._updates:
            update()
        withheld_fields, self.withheld_fields = self.withheld_fields, 0
        self._withheld_fields.inc(withheld_fields)
        malformed, self.malformed = self.malformed, Tally()
        for code, count in malformed.items():
            self._malformed_requests.labels(code).inc(count)
        self._feed_age.set(self._feed.age(self._clock()))
        self._revoked.set(len(self._revocations))

    async def keep_transferring(self) -> None:
        """Transfer every second until cancelled, and once more at the end."""
        try:
            while True:
                self.transfer()
                await asyncio.sleep(TRANSFER_SECONDS)
        finally:
            self.transfer()

    def _max_gauge(self, name: str, documentation: str) -> Gauge:
        """Return a new gauge whose exported value is the highest among the live workers."""
        return Gauge(name, documentation, multiprocess_mode="livemax", registry=self.registry)
