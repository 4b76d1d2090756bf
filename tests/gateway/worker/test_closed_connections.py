"""Closed connections are freed at once: they leave no reference cycles for the garbage collector."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from gateway.server.http_protocol import ServerProtocol
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import ConnectionPool
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway
from tests.gateway.upstream_connections.pools import exchange, run_with_pool


@pytest.fixture(autouse=True)
def without_garbage_collector() -> Iterator[None]:
    """Switch the garbage collector off."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def count(kind: type) -> int:
    """Return the number of instances that are in memory."""
    return sum(isinstance(thing, kind) for thing in gc.get_objects())


@pytest.mark.parametrize("fields", [(), ("Connection: close",)])
def test_a_closed_client_connection_is_freed(gateway: RunningGateway, fields: tuple[str, ...]) -> None:
    before = count(ServerProtocol)
    for _ in range(5):
        with gateway.connect() as client:
            assert client.request("GET /public/ HTTP/1.1", "Host: h", *fields).status == 200
    assert gateway.wait_for_at_most(0)
    assert count(ServerProtocol) <= before + 1  # the last one may still be closing


def test_a_closed_upstream_connection_is_freed(upstream: RawUpstream) -> None:
    async def test(pool: ConnectionPool) -> None:
        before = count(UpstreamConnection)
        for _ in range(5):
            await exchange(pool, await pool.connect(1))
        assert count(UpstreamConnection) > before
        pool.close()
        await asyncio.sleep(0.01)  # the loop closes the sockets
        assert count(UpstreamConnection) <= before

    run_with_pool(upstream, test)
