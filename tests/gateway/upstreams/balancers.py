"""A balancer with a movable clock, to which tests report failures and responses."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry

from gateway.routing.routes import Address, Upstream
from gateway.upstream_connections.connection_pool import ConnectionPool
from gateway.upstreams.balancer import Balancer
from gateway.upstreams.events import UpstreamEvents
from gateway.upstreams.metrics import UpstreamMetrics
from tests.clocks import MovableClock
from tests.gateway.raw_upstream import RawUpstream

UNREACHABLE = Address("unreachable", "127.0.0.1", 1)


def address_of(upstream: RawUpstream, name: str = "running") -> Address:
    return Address(name, "127.0.0.1", upstream.port)


def unreachable_addresses(count: int) -> tuple[Address, ...]:
    """Return the addresses h0, h1 and so on, where nothing listens."""
    return tuple(Address(f"h{number}", "127.0.0.1", 1) for number in range(count))


class BalancerHarness:
    """A balancer without jitter, its clock and its metrics."""

    def __init__(self, *addresses: Address, name: str = "notes", eject_after: int = 3, break_after: int = 5) -> None:
        self.clock = MovableClock()
        self.registry = CollectorRegistry()
        upstream = Upstream(name, addresses, name, None, 100, eject_after=eject_after, break_after=break_after)
        events = UpstreamEvents(upstream, UpstreamMetrics(self.registry), self.clock)
        self.balancer = Balancer(upstream, events, self.clock, lambda: 1.0)

    @property
    def pools(self) -> tuple[ConnectionPool, ...]:
        """Return the pools of the members."""
        return self.balancer.pools

    def time_out(self, pool: ConnectionPool, times: int = 1) -> None:
        """Report requests to the address that got no response."""
        for _ in range(times):
            self.balancer.record_no_response(pool, "timeout", self.clock())

    def cut_off(self, pool: ConnectionPool, times: int = 1) -> None:
        """Report responses of the address that were cut off."""
        for _ in range(times):
            self.balancer.record_broken_response(pool, "broken", self.clock())

    def respond(self, pool: ConnectionPool, times: int = 1) -> None:
        """Report responses of the address."""
        for _ in range(times):
            if pool.on_response is not None:
                pool.on_response(pool)

    def move(self, seconds: float) -> None:
        """Advance the clock, and sweep."""
        self.clock.move(seconds)
        self.balancer.sweep(0.0)

    def chosen(self, times: int = 12) -> set[str]:
        """Return the names of the addresses chosen for consecutive requests."""
        return {self.balancer.choose().address.name for _ in range(times)}

    def has_shortcut(self) -> bool:
        """Return whether requests skip the balancer, because there is one address and it has no failures."""
        return self.balancer.only_pool is not None and self.pools[0].on_response is None

    def metric(self, name: str, **labels: str) -> float | None:
        """Return a metric of the upstream `notes`; the metric's `name` is given without its prefix."""
        return self.registry.get_sample_value(f"sallyport_gateway_upstream_{name}", {"upstream": "notes", **labels})


def run(test: Callable[[], Awaitable[None]], *harnesses: BalancerHarness) -> None:
    """Run `test` in a loop and close the harnesses' connections."""

    async def whole() -> None:
        try:
            await test()
        finally:
            for pool in itertools.chain.from_iterable(harness.pools for harness in harnesses):
                pool.close()
            await asyncio.sleep(0)

    asyncio.run(whole())
