"""The registry of a worker's upstreams: a balancer for each, and the sweep over all their connections."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from chassis.clock import Clock
from gateway.routing.routes import Upstream
from gateway.upstream_connections.connection_pool import ConnectionPool
from gateway.upstreams.balancer import Balancer
from gateway.upstreams.events import UpstreamEvents
from gateway.upstreams.health_checks import HealthChecks
from gateway.upstreams.identity_rejections import IdentityRejections
from gateway.upstreams.metrics import UpstreamMetrics
from gateway.upstreams.resolver import NameResolver, Resolve

SWEEP_INTERVAL = 0.1
"""Seconds between two sweeps."""


class Sweepable(Protocol):
    """Connections whose deadlines are enforced by a sweep."""

    def sweep(self, now: float, /) -> None:
        """Enforce the deadlines that lie before the loop time `now`."""

    def close(self) -> None:
        """Close every connection."""


class UpstreamRegistry:
    """The balancers of all upstreams in one worker."""

    loop: asyncio.AbstractEventLoop
    """The worker's event loop, set by `attach`: each asyncio.get_running_loop costs a system call (getpid)."""

    def __init__(
        self,
        upstreams: Iterable[Upstream],
        auth_connections: Sweepable,
        metrics: UpstreamMetrics,
        monotonic: Clock,
        record_lag: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Sweep and close `auth_connections` as well; call `record_lag` with the delay of each sweep in seconds."""
        self._balancers: Mapping[str, Balancer] = {
            upstream.name: Balancer(upstream, UpstreamEvents(upstream, metrics, monotonic), monotonic)
            for upstream in upstreams
        }
        self._metrics = metrics
        self._record_lag = record_lag
        self.identity_rejections = IdentityRejections("identity_rejected", monotonic)
        """Records the services that reject an identity assertion."""
        self._sweepables: tuple[Sweepable, ...] = (auth_connections, *self._balancers.values())

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set the worker's event loop, before the first request."""
        self.loop = loop

    def pool_for(self, upstream: Upstream, client: str = "") -> ConnectionPool:
        """Return the pool for a request from the address `client`. Raises Refused(503) if the circuit is open."""
        balancer = self._balancers[upstream.name]
        return balancer.only_pool or balancer.choose(client)

    def balancer_for(self, upstream: Upstream) -> Balancer:
        """Return the balancer of an upstream, which opens connections and records failures."""
        return self._balancers[upstream.name]

    def health_checks(self) -> list[HealthChecks]:
        """Return the health checks of every upstream that configures them."""
        return [
            HealthChecks(balancer, balancer.upstream.health)
            for balancer in self._balancers.values()
            if balancer.upstream.health is not None
        ]

    def resolvers(self, resolve: Resolve, *more: Balancer) -> list[NameResolver]:
        """Return a resolver for every upstream, and every balancer in `more`, with a DNS name among its addresses."""
        return [
            NameResolver(balancer, resolve, balancer.upstream.resolve_interval)
            for balancer in (*self._balancers.values(), *more)
            if any(address.is_name for address in balancer.upstream.addresses)
        ]

    async def keep_sweeping(self) -> None:
        """Enforce deadlines and readmit ejected addresses, ten times a second, until cancelled."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            # Deadlines are compared with the time of the previous sweep. Since then the loop has read all bytes that
            # had arrived by that time, so a delayed loop does not end exchanges whose upstream was in time.
            previous, now = now, loop.time()
            self._record_lag(now - previous - SWEEP_INTERVAL)
            for sweepable in self._sweepables:
                sweepable.sweep(previous)

    def export_connections(self) -> None:
        """Set the metrics of the numbers of connections."""
        for name, balancer in self._balancers.items():
            self._metrics.set_connections(
                name,
                in_use=sum(pool.outstanding for pool in balancer.pools),
                idle=sum(pool.idle for pool in balancer.pools),
                limit=balancer.upstream.max_connections * len(balancer.pools),
            )

    def response_head_misses(self) -> int:
        """Return how many heads of responses were in no known form, since the start."""
        return sum(pool.response_head_misses for balancer in self._balancers.values() for pool in balancer.pools)

    def close(self) -> None:
        """Close every connection."""
        for sweepable in self._sweepables:
            sweepable.close()
