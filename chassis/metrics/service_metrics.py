"""The metrics of one worker of a Flask service: its registry, and the functions that set its gauges.

To add a metric, construct it with the service's registry:

    Counter("sallyport_auth_mails", "Mails by result.", ["result"], registry=metrics_of(app).registry)

A gauge needs a `multiprocess_mode`: `livesum` or `livemax` for a value that each worker sets about itself,
`mostrecent` for a value that is the same in all of them.
"""

from collections.abc import Callable

import structlog
from flask import Flask
from prometheus_client import CollectorRegistry

from chassis.metrics.multiprocess import render_metrics

Update = Callable[[], None]
"""Sets gauges. It may raise any exception, for example if a database does not answer."""

_NAME = "sallyport-metrics"
_log = structlog.get_logger("metrics")


class ServiceMetrics:
    """The metrics of one worker. Functions that fail are logged, and the other metrics are exported."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._every_second: list[Update] = []
        self._at_scrape: list[Update] = []

    def update_every_second(self, update: Update) -> None:
        """Call `update` once a second in every worker. It sets gauges about the worker from values in memory."""
        self._every_second.append(update)

    def update_at_scrape(self, update: Update) -> None:
        """Call `update` before each scrape, in the worker that answers it. It may query a database."""
        self._at_scrape.append(update)

    def run_every_second(self) -> None:
        """Call the functions of `update_every_second`."""
        _run(self._every_second)

    def render(self) -> tuple[bytes, str]:
        """Return the metrics of all workers as Prometheus text, and its media type."""
        _run(self._every_second)
        _run(self._at_scrape)
        return render_metrics(self.registry)


def metrics_of(app: Flask) -> ServiceMetrics:
    """Return the metrics of `app`, which are created at the first call."""
    if _NAME not in app.extensions:
        app.extensions[_NAME] = ServiceMetrics()
    found = app.extensions[_NAME]
    if not isinstance(found, ServiceMetrics):
        raise TypeError(f"expected the application's ServiceMetrics, not {type(found).__name__}")
    return found


def _run(updates: list[Update]) -> None:
    for update in updates:
        try:
            update()
        except Exception as error:  # noqa: BLE001 - a database that fails must not hide the other metrics
            _log.warning("metric_unavailable", metric=update.__name__, error=type(error).__name__)
