"""Log events and metrics of one upstream. State changes are logged at once.

There may be thousands of failures a second. They are logged at most once in ten seconds for each address; the event
contains their number since the last one.
"""

import logging
from collections.abc import Callable, Sequence

import structlog

from chassis.clock import Clock
from gateway.routing.routes import Upstream
from gateway.upstreams.circuit_breaker import CircuitState
from gateway.upstreams.metrics import UpstreamMetrics

FAILURE_LOG_INTERVAL = 10.0
"""Seconds between two `upstream_failing` events of one address."""

_log = structlog.get_logger("upstream")

_CIRCUIT_EVENTS: dict[CircuitState, str] = {
    "open": "upstream_circuit_opened",
    "half-open": "upstream_circuit_half_open",
    "closed": "upstream_circuit_closed",
}


class LogThrottle:
    """Allows one log event per key in `interval` seconds, and counts the occurrences in between."""

    def __init__(self, monotonic: Clock, interval: float) -> None:
        self._monotonic = monotonic
        self._interval = interval
        self._quiet_until: dict[str, float] = {}
        self._unlogged: dict[str, int] = {}

    def count(self, key: str) -> int:
        """Count an occurrence. Return how many to log, this one included; 0 if no event is due yet."""
        now, occurrences = self._monotonic(), self._unlogged.get(key, 0) + 1
        if now < self._quiet_until.get(key, now):
            self._unlogged[key] = occurrences
            return 0
        self._unlogged[key] = 0
        self._quiet_until[key] = now + self._interval
        return occurrences

    def forget(self, key: str) -> None:
        """Delete the count of `key`, so that its next occurrence is logged at once."""
        self._quiet_until.pop(key, None)
        self._unlogged.pop(key, None)


class UpstreamEvents:
    """The log events and metrics of one upstream in one worker."""

    def __init__(
        self,
        upstream: Upstream,
        metrics: UpstreamMetrics,
        monotonic: Clock,
        failure_level: int = logging.WARNING,
        is_starting: Callable[[], bool] = lambda: False,
    ) -> None:
        """Log failures at `failure_level`, which is lower than WARNING if the caller logs them as well.

        While `is_starting` returns True, failures are neither counted nor logged: the upstream may still be starting.
        """
        self._failure_level = failure_level
        self._is_starting = is_starting
        self._upstream = upstream.name
        self._metrics = metrics
        self._failure_throttle = LogThrottle(monotonic, FAILURE_LOG_INTERVAL)
        metrics.set_circuit(upstream.name, "closed")
        for address in upstream.addresses:
            metrics.set_excluded(upstream.name, address.name, excluded=False)

    def request_failed(self, address: str, reason: str, detail: str = "") -> None:
        """Report a failed request. `reason` is a metric label; `detail` is logged only."""
        if self._is_starting():
            return
        self._metrics.count_failure(self._upstream, address, reason)
        failures = self._failure_throttle.count(address)
        if not failures:
            return
        more = {"detail": detail} if detail else {}
        fields = self._fields(address)
        _log.log(self._failure_level, "upstream_failing", **fields, reason=reason, failures=failures, **more)

    def members_changed(self, joined: Sequence[str], left: Sequence[str]) -> None:
        """Report addresses that were added to the upstream or removed from it."""
        _log.info("upstream_members_changed", upstream=self._upstream, joined=joined, left=left)
        for address in (*joined, *left):
            self._metrics.set_excluded(self._upstream, address, excluded=False)
        for address in left:
            self._failure_throttle.forget(address)

    def ejected(self, address: str, reason: str, seconds: float) -> None:
        """Report that the address was ejected, for `seconds` unless it is readmitted early as the last one."""
        _log.warning("upstream_ejected", **self._fields(address), reason=reason, seconds=round(seconds, 1))
        self._metrics.set_excluded(self._upstream, address, excluded=True)

    def readmitted(self, address: str, *, excluded: bool) -> None:
        """Report the end of an ejection; `excluded` if the address still fails its health checks."""
        _log.info("upstream_readmitted", **self._fields(address))
        self._metrics.set_excluded(self._upstream, address, excluded=excluded)

    def became_healthy(self, address: str, *, excluded: bool) -> None:
        """Report that the address passes its health checks again; `excluded` if it is still ejected."""
        _log.info("upstream_healthy", **self._fields(address))
        self._metrics.set_excluded(self._upstream, address, excluded=excluded)

    def became_unhealthy(self, address: str, reason: str) -> None:
        """Report that the address fails its health checks."""
        _log.warning("upstream_unhealthy", **self._fields(address), reason=reason)
        self._metrics.set_excluded(self._upstream, address, excluded=True)

    def circuit_changed(self, state: CircuitState, reason: str) -> None:
        """Report a new state of the circuit; `reason` may be empty."""
        log = _log.info if state == "closed" else _log.warning
        log(_CIRCUIT_EVENTS[state], upstream=self._upstream, **({"reason": reason} if reason else {}))
        self._metrics.set_circuit(self._upstream, state)

    def _fields(self, address: str) -> dict[str, str]:
        return {"upstream": self._upstream, "address": address}
