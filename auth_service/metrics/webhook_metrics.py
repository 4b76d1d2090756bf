"""Count the attempts to send webhooks, and show the deliveries that wait and the endpoints that are disabled."""

from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

from auth_service.jobs.webhooks import WebhookResult
from auth_service.store_errors import StoreUnavailable
from auth_service.webhooks.endpoints import Subscriptions
from auth_service.webhooks.outbox import WebhookOutbox
from chassis.clock import Clock
from chassis.metrics.service_metrics import ServiceMetrics


class WebhookMetrics:
    """The counter and the gauges of webhooks. `count` is called by the webhook job."""

    def __init__(
        self, registry: CollectorRegistry, outbox: WebhookOutbox, subscriptions: Subscriptions, clock: Clock
    ) -> None:
        self._outbox = outbox
        self._subscriptions = subscriptions
        self._clock = clock
        self._attempts = Counter(
            "sallyport_auth_webhooks", "Attempts to send a webhook, by result.", ["result"], registry=registry
        )
        for result in get_args(WebhookResult):  # from the start at 0: Prometheus sees no increase in a first value
            self._attempts.labels(result)
        self._waiting = Gauge(
            "sallyport_auth_webhooks_waiting",
            "Webhooks that wait to be sent to enabled endpoints; NaN if the database did not answer.",
            multiprocess_mode="mostrecent",
            registry=registry,
        )
        self._oldest = Gauge(
            "sallyport_auth_webhook_oldest_seconds",
            "Age of the oldest webhook that waits, 0 without one; NaN if the database did not answer.",
            multiprocess_mode="mostrecent",
            registry=registry,
        )
        self._disabled = Gauge(
            "sallyport_auth_webhook_endpoints_disabled",
            "Configured endpoints that are disabled; NaN if the database did not answer.",
            multiprocess_mode="mostrecent",
            registry=registry,
        )

    def count(self, result: WebhookResult) -> None:
        """Count one attempt."""
        self._attempts.labels(result).inc()

    def add_to(self, metrics: ServiceMetrics) -> None:
        """Let `metrics` update the gauges."""
        metrics.update_at_scrape(self.update)

    def update(self) -> None:
        """Set the gauges. Without endpoints, the database is not used. Raises StoreUnavailable."""
        names = set(self._subscriptions.current())
        if not names:
            self._set(0, 0.0, 0)
            return
        try:
            disabled = {state.name for state in self._outbox.states() if state.disabled_at is not None} & names
            waiting = self._outbox.waiting(names - disabled)
            oldest_at = self._outbox.oldest_at(names - disabled)
        except StoreUnavailable:
            self._set(float("nan"), float("nan"), float("nan"))
            raise
        age = max(0.0, self._clock() - oldest_at) if oldest_at is not None else 0.0
        self._set(waiting, age, len(disabled))

    def _set(self, waiting: float, age: float, disabled: float) -> None:
        self._waiting.set(waiting)
        self._oldest.set(age)
        self._disabled.set(disabled)
