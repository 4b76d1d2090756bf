"""Name lookups, and the members that an upstream has after them."""

import asyncio
import time

import pytest
from prometheus_client import CollectorRegistry

from gateway.routing.routes import Address, Upstream
from gateway.upstreams import resolver as resolver_module
from gateway.upstreams.balancer import Balancer
from gateway.upstreams.events import UpstreamEvents
from gateway.upstreams.metrics import UpstreamMetrics
from gateway.upstreams.resolver import NameResolver, resolve_by_system
from tests.gateway.upstreams.named_upstreams import FakeResolver


def balancer_of(*addresses: Address) -> Balancer:
    upstream = Upstream("service", addresses, "", None, 9)
    events = UpstreamEvents(upstream, UpstreamMetrics(CollectorRegistry()), time.monotonic)
    return Balancer(upstream, events, time.monotonic)


def member_names(balancer: Balancer) -> list[str]:
    return [pool.address.name for pool in balancer.pools]


def test_a_running_lookup_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each lookup takes one of a few threads."""
    monkeypatch.setattr(resolver_module, "LOOKUP_TIMEOUT", 0.01)
    lookups = 0

    async def test() -> None:
        finished = asyncio.Event()

        async def slow(host: str, port: int) -> list[str]:
            nonlocal lookups
            lookups += 1
            await finished.wait()
            return ["192.0.2.1"]

        balancer = balancer_of(Address("a.internal:80", "a.internal", 80), Address("192.0.2.9:80", "192.0.2.9", 80))
        resolver = NameResolver(balancer, slow, 10)
        for _ in range(5):
            await resolver.resolve_once()
        assert member_names(balancer) == ["a.internal:80", "192.0.2.9:80"]
        finished.set()
        await resolver.resolve_once()
        assert member_names(balancer) == ["a.internal:80 (192.0.2.1)", "192.0.2.9:80"]

    asyncio.run(test())
    assert lookups == 1


def test_ipv4_and_ipv6_addresses_become_members_in_a_stable_order() -> None:
    async def test() -> None:
        balancer = balancer_of(Address("a.internal:80", "a.internal", 80))
        fake = FakeResolver({"a.internal": ["2001:db8::1", "192.0.2.2", "192.0.2.1", "192.0.2.2"]})
        resolver = NameResolver(balancer, fake, 10)
        await resolver.resolve_once()
        before = balancer.pools
        assert [pool.address.ip for pool in before] == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
        fake.addresses["a.internal"].reverse()
        await resolver.resolve_once()
        assert balancer.pools == before

    asyncio.run(test())


def test_the_system_resolves_a_name() -> None:
    assert "127.0.0.1" in asyncio.run(resolve_by_system("localhost", 80))
