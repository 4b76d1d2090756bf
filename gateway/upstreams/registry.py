"""Owns the upstreams of a worker: finds one's connections, and sweeps them all."""

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

SWEEP_PAUSE = 0.1


class Swept(Protocol):
    """Connections with deadlines."""

    def sweep(self, now: float, /) -> None:
        """Enforces their deadlines; `now` is the loop's time."""

    def close(self) -> None:
        """Closes them all."""


class UpstreamRegistry:
    """The balancer of every upstream, and `also` connections that are swept and closed with theirs.

    `late` is told at each sweep by how many seconds it comes too late.
    """

    def __init__(
        self,
        upstreams: Iterable[Upstream],
        also: Swept,
        metrics: UpstreamMetrics,
        monotonic: Clock,
        late: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._balancers: Mapping[str, Balancer] = {
            upstream.name: Balancer(upstream, UpstreamEvents(upstream, metrics, monotonic), monotonic)
            for upstream in upstreams
        }
        self._late = late
        self.identity_rejections = IdentityRejections("identity_rejected", monotonic)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._all: tuple[Swept, ...] = (also, *self._balancers.values())

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that this worker runs on, asked for once: asking costs a system call."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    def pool_for(self, upstream: Upstream, client: str = "") -> ConnectionPool:
        """The connections to the address that gets the next request, which is `client`'s.

        Raises Refused(503) while the circuit is open.
        """
        balancer = self._balancers[upstream.name]
        return balancer.only or balancer.choose(client)

    def balancer_for(self, upstream: Upstream) -> Balancer:
        """Where an upstream's connections are made, and their failures told."""
        return self._balancers[upstream.name]

    def health_checks(self) -> list[HealthChecks]:
        """The checks of every upstream that asks for them."""
        return [
            HealthChecks(balancer, balancer.upstream.health)
            for balancer in self._balancers.values()
            if balancer.upstream.health is not None
        ]

    def resolvers(self, resolve: Resolve, *more: Balancer) -> list[NameResolver]:
        """What resolves the names of every upstream that has some, and of `more`."""
        return [
            NameResolver(balancer, resolve, balancer.upstream.resolve_interval)
            for balancer in (*self._balancers.values(), *more)
            if any(address.is_name for address in balancer.upstream.addresses)
        ]

    async def keep_sweeping(self) -> None:
        """Enforces deadlines, and takes addresses back whose time is over, until cancelled."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while True:
            await asyncio.sleep(SWEEP_PAUSE)
            # What was overdue at the sweep before is broken off at this one: in between the loop has read whatever
            # had come, so that nobody is taken for silent because this loop was late itself.
            before, now = now, loop.time()
            self._late(now - before - SWEEP_PAUSE)
            for swept in self._all:
                swept.sweep(before)

    def close(self) -> None:
        """Closes every connection."""
        for swept in self._all:
            swept.close()
