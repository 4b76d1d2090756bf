"""Owns the gateway's metrics. A request costs one addition in a dict; Prometheus is told once a second."""

import asyncio
from collections import Counter as Tally

from prometheus_client import CollectorRegistry, Counter, Gauge

from chassis.clock import Clock
from gateway.tokens.revocation_feed import RevocationFeed
from gateway.tokens.revocations import Revocations

PAUSE = 1.0
"""Seconds between two transfers."""


class Metrics:
    """What is counted and measured in one worker."""

    def __init__(self, feed: RevocationFeed, revocations: Revocations, clock: Clock) -> None:
        self.registry = CollectorRegistry()
        self._feed = feed
        self._revocations = revocations
        self._clock = clock
        self.answers: Tally[int] = Tally()
        """Answers by status since the last transfer; 0 stands for those that were cut off."""
        self._requests = Counter(
            "sallyport_gateway_requests", "Requests answered, by status.", ["status"], registry=self.registry
        )
        self.withheld = 0
        """Fields of requests that were not forwarded because of their names, since the last transfer."""
        self._withheld = Counter(
            "sallyport_gateway_withheld_fields",
            "Request fields that were not forwarded because of their names. A request that was seen before, byte for"
            " byte but for its token, is not counted again.",
            registry=self.registry,
        )
        self.malformed: Tally[str] = Tally()
        """Refusals by code since the last transfer, of what never became a request."""
        self._malformed_requests = Counter(
            "sallyport_gateway_malformed_requests",
            "Refused before there was a request: malformed HTTP or PROXY header, oversized or late head; by code.",
            ["code"],
            registry=self.registry,
        )
        self._feed_age = Gauge(
            "sallyport_gateway_revocation_feed_age_seconds",
            "Seconds since the revocation feed was last read to its end; infinite before the first time.",
            multiprocess_mode="livemax",
            registry=self.registry,
        )
        self._alone = Gauge(
            "sallyport_gateway_limits_alone",
            "1 while a worker counts for rate limits by itself, because Redis is away.",
            multiprocess_mode="livemax",
            registry=self.registry,
        )
        self._revoked = Gauge(
            "sallyport_gateway_revocations",
            "Sessions and subjects that are known to be revoked.",
            multiprocess_mode="livemax",
            registry=self.registry,
        )

    def tell_routes(self, version: str, *, refused: bool) -> None:
        """Says by which routes this worker serves; that never changes while it lives."""
        in_force = Gauge(
            "sallyport_gateway_routes_in_force",
            "Workers that serve by the routes of this version, the first digits of the file's SHA-256.",
            ["version"],
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        in_force.labels(version).set(1)
        stale = Gauge(
            "sallyport_gateway_routes_refused",
            "1 where the last reload refused the routes file, so that the routes before it are still in force.",
            multiprocess_mode="livemax",
            registry=self.registry,
        )
        stale.set(refused)

    def note_withheld(self, fields: int) -> None:
        """Count `fields` of a request that are not forwarded because of their names."""
        self.withheld += fields

    def note_counting_alone(self, alone: bool) -> None:
        """Tells whether this worker counts for rate limits without the others."""
        self._alone.set(1 if alone else 0)

    def count_malformed(self, status: int, code: str) -> None:
        """Count what was refused before there was a request."""
        self.answers[status] += 1
        self.malformed[code] += 1

    def transfer(self) -> None:
        """Hands the numbers over."""
        tally, self.answers = self.answers, Tally()
        for status, count in tally.items():
            self._requests.labels(str(status)).inc(count)
        withheld, self.withheld = self.withheld, 0
        self._withheld.inc(withheld)
        malformed, self.malformed = self.malformed, Tally()
        for code, count in malformed.items():
            self._malformed_requests.labels(code).inc(count)
        self._feed_age.set(self._feed.age(self._clock()))
        self._revoked.set(len(self._revocations))

    async def keep_transferring(self) -> None:
        """Transfers once a second until cancelled."""
        while True:
            self.transfer()
            await asyncio.sleep(PAUSE)
