"""Gauges of the service: the hashing queue, database connections, Redis, pending revocations, and the mail outbox."""

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge

from auth_service.accounts.passwords.hashing import Passwords
from auth_service.mail.outbox import MailOutbox
from auth_service.redis_client import RedisClient
from auth_service.sessions.revocation_feed import RevocationFeed
from auth_service.store_errors import StoreUnavailable
from chassis.clock import Clock
from chassis.metrics.service_metrics import ServiceMetrics


@dataclass(frozen=True, slots=True)
class Observed:
    """What the gauges show. `connections_in_use` returns how many database connections threads have now."""

    passwords: Passwords
    redis: RedisClient
    feed: RevocationFeed
    outbox: MailOutbox
    connections_in_use: Callable[[], int]
    max_connections: int


class ServiceGauges:
    """The gauges of one worker. `clock` returns seconds since the epoch."""

    def __init__(self, registry: CollectorRegistry, observed: Observed, clock: Clock) -> None:
        self._registry = registry
        self._observed = observed
        self._clock = clock
        self._hashes = self._sum_gauge(
            "sallyport_auth_hashes_pending",
            "Passwords that are being hashed, or wait for it, of all workers.",
        )
        hashes_limit = self._sum_gauge(
            "sallyport_auth_hashes_limit",
            "Passwords that the workers may hash or keep waiting; more are answered 503.",
        )
        self._connections = self._sum_gauge(
            "sallyport_auth_database_connections_in_use", "Database connections in use, of all workers."
        )
        connections_limit = self._sum_gauge(
            "sallyport_auth_database_connections_limit", "Database connections that the workers may use together."
        )
        self._redis_unavailable = self._max_gauge(
            "sallyport_auth_redis_unavailable", "1 while a worker does not use Redis, because it did not reply."
        )
        self._revocations_pending = self._max_gauge(
            "sallyport_auth_revocations_pending", "1 while a worker has to publish revocations again."
        )
        self._mails = self._recent_gauge(
            "sallyport_auth_mails_waiting", "Mails in the outbox; NaN if the database did not answer."
        )
        self._mail_age = self._recent_gauge(
            "sallyport_auth_mail_oldest_seconds",
            "Age of the oldest mail in the outbox, 0 without one; NaN if the database did not answer.",
        )
        hashes_limit.set(observed.passwords.max_pending)
        connections_limit.set(observed.max_connections)

    def add_to(self, metrics: ServiceMetrics) -> None:
        """Let `metrics` update the gauges."""
        metrics.update_every_second(self.update_worker)
        metrics.update_at_scrape(self.update_outbox)

    def update_worker(self) -> None:
        """Set the gauges about this worker."""
        self._hashes.set(self._observed.passwords.pending)
        self._connections.set(self._observed.connections_in_use())
        self._redis_unavailable.set(not self._observed.redis.is_available)
        self._revocations_pending.set(self._observed.feed.is_pending)

    def update_outbox(self) -> None:
        """Set the gauges about the mail outbox. Raises StoreUnavailable."""
        try:
            waiting, oldest_at = self._observed.outbox.waiting(), self._observed.outbox.oldest_at()
        except StoreUnavailable:
            self._mails.set(float("nan"))
            self._mail_age.set(float("nan"))
            raise
        self._mails.set(waiting)
        self._mail_age.set(max(0.0, self._clock() - oldest_at) if oldest_at is not None else 0.0)

    def _sum_gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, multiprocess_mode="livesum", registry=self._registry)

    def _max_gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, multiprocess_mode="livemax", registry=self._registry)

    def _recent_gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, multiprocess_mode="mostrecent", registry=self._registry)
