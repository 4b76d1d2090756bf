"""Owns the upstreams of a worker: finds one's connections, and sweeps them all."""

import asyncio
from collections.abc import Callable, Iterable, Mapping

from chassis.clock import Clock
from gateway.routing.routes import Upstream
from gateway.upstreams.balancer import Balancer
from gateway.upstreams.connection_pool import ConnectionPool
from gateway.upstreams.health_checks import AddressHealth
from gateway.upstreams.upstream_metrics import UpstreamMetrics
from gateway.upstreams.upstream_report import UpstreamReport

SWEEP_PAUSE = 0.1


class Upstreams:
    """The balancer of every upstream, and `also` a pool that is swept and closed with theirs.

    `late` is told at each sweep by how many seconds it comes too late.
    """

    def __init__(
        self,
        upstreams: Iterable[Upstream],
        also: ConnectionPool,
        metrics: UpstreamMetrics,
        monotonic: Clock,
        late: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._balancers: Mapping[str, Balancer] = {
            upstream.name: Balancer(upstream, UpstreamReport(upstream, metrics, monotonic), monotonic)
            for upstream in upstreams
        }
        self._late = late
        self._loop: asyncio.AbstractEventLoop | None = None
        self._all = [also, *(pool for balancer in self._balancers.values() for pool in balancer.pools)]

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that this worker runs on, asked for once: asking costs a system call."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    def pool(self, upstream: Upstream, client: str = "") -> ConnectionPool:
        """The connections to the address that gets the next request, which is `client`'s.

        Raises Refused(503) while the circuit is open.
        """
        balancer = self._balancers[upstream.name]
        return balancer.only or balancer.choose(client)

    def balancer(self, upstream: Upstream) -> Balancer:
        """Where an upstream's connections are made, and their failures told."""
        return self._balancers[upstream.name]

    def health_checks(self) -> list[AddressHealth]:
        """The checks of every address whose upstream asks for them."""
        return [
            AddressHealth(balancer, pool, balancer.upstream.health)
            for balancer in self._balancers.values()
            if balancer.upstream.health is not None
            for pool in balancer.pools
        ]

    async def sweep(self) -> None:
        """Enforces deadlines, and takes addresses back whose time is over, until cancelled."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while True:
            await asyncio.sleep(SWEEP_PAUSE)
            # What was overdue at the sweep before is broken off at this one: in between the loop has read whatever
            # had come, so that nobody is taken for silent because this loop was late itself.
            before, now = now, loop.time()
            self._late(now - before - SWEEP_PAUSE)
            for pool in self._all:
                pool.sweep(before)
            for balancer in self._balancers.values():
                balancer.sweep()

    def close(self) -> None:
        """Closes every connection."""
        for pool in self._all:
            pool.close()
