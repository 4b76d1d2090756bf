"""Count the calls of the claims hook."""

from prometheus_client import CollectorRegistry, Counter


class ClaimsHookMetrics:
    """The counter of calls. `count` is called after each of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "sallyport_auth_claims_hook_calls", "Calls of the claims hook, by result.", ["result"], registry=registry
        )
        for result in ("ok", "failed"):  # from the start at 0: Prometheus sees no increase in a first value
            self._calls.labels(result)

    def count(self, succeeded: bool) -> None:
        """Count one call."""
        self._calls.labels("ok" if succeeded else "failed").inc()
