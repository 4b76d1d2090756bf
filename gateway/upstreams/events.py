"""Tells the log and Prometheus what becomes of one upstream: changes as they come, failures now and then.

Failures may come by the thousand a second: each is counted, and a line says how many there were since the last line.
"""

import logging
from collections.abc import Sequence

import structlog

from chassis.clock import Clock
from gateway.routing.routes import Upstream
from gateway.upstreams.circuit_breaker import State
from gateway.upstreams.metrics import UpstreamMetrics

PAUSE = 10.0
"""Seconds at least between two lines that say that an address fails."""

_log = structlog.get_logger("upstream")

_CIRCUIT_EVENTS: dict[State, str] = {
    "open": "upstream_circuit_opened",
    "half-open": "upstream_circuit_half_open",
    "closed": "upstream_circuit_closed",
}


class UpstreamEvents:
    """What is said of one upstream, by one worker. `monotonic` gives seconds.

    `level` is that of a failed address: lower where whoever asks logs its own failure.
    """

    def __init__(
        self, upstream: Upstream, metrics: UpstreamMetrics, monotonic: Clock, level: int = logging.WARNING
    ) -> None:
        self._level = level
        self._name = upstream.name
        self._metrics = metrics
        self._now = monotonic
        self._said_at: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}
        metrics.show_circuit(upstream.name, "closed")
        for address in upstream.addresses:
            metrics.show_address(upstream.name, address.name, out=False)

    def fails(self, address: str, reason: str, detail: str = "") -> None:
        """A request to the address was not answered. `detail` says more than `reason`, and is no metric's label."""
        self._metrics.count_failure(self._name, address, reason)
        now, failures = self._now(), self._unsaid.get(address, 0) + 1
        if now < self._said_at.get(address, -PAUSE) + PAUSE:
            self._unsaid[address] = failures
            return
        self._said_at[address], self._unsaid[address] = now, 0
        more = {"detail": detail} if detail else {}
        _log.log(self._level, "upstream_failing", **self._at(address), reason=reason, failures=failures, **more)

    def members_are(self, joined: Sequence[str], left: Sequence[str]) -> None:
        """Addresses have become members, or have left."""
        _log.info("upstream_members_changed", upstream=self._name, joined=joined, left=left)
        for address in (*joined, *left):
            self._metrics.show_address(self._name, address, out=False)
        for address in left:
            self._said_at.pop(address, None)
            self._unsaid.pop(address, None)

    def is_ejected(self, address: str, reason: str, seconds: float) -> None:
        """It is left out, for so long at least."""
        _log.warning("upstream_ejected", **self._at(address), reason=reason, seconds=round(seconds, 1))
        self._metrics.show_address(self._name, address, out=True)

    def is_back(self, address: str, *, out: bool) -> None:
        """It is on trial; `out` says whether it is left out all the same, as unhealthy."""
        _log.info("upstream_readmitted", **self._at(address))
        self._metrics.show_address(self._name, address, out=out)

    def is_healthy(self, address: str, *, out: bool) -> None:
        """Its checks pass; `out` says whether it is left out all the same, as ejected."""
        _log.info("upstream_healthy", **self._at(address))
        self._metrics.show_address(self._name, address, out=out)

    def is_unhealthy(self, address: str, reason: str) -> None:
        """Its checks fail."""
        _log.warning("upstream_unhealthy", **self._at(address), reason=reason)
        self._metrics.show_address(self._name, address, out=True)

    def circuit_is(self, state: State, reason: str) -> None:
        """The circuit has changed."""
        log = _log.info if state == "closed" else _log.warning
        log(_CIRCUIT_EVENTS[state], upstream=self._name, **({"reason": reason} if reason else {}))
        self._metrics.show_circuit(self._name, state)

    def _at(self, address: str) -> dict[str, str]:
        return {"upstream": self._name, "address": address}
