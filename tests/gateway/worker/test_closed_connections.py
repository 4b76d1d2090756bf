"""Closed connections and refused requests are freed at once: they leave no cycles for the garbage collector."""

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.server.http_protocol import ServerProtocol
from gateway.server.request_cycle import RequestCycle
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import ConnectionPool
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import RawUpstream, closing
from tests.gateway.routes_toml import AUTH_UPSTREAM, NOTES_UPSTREAM, route_table, routes_toml
from tests.gateway.running_gateway import RunningGateway, running
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


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (303, ("Accept: text/html",)),
        (401, ("Accept: application/json",)),
        (503, ("Accept: text/html", f"Cookie: __Host-session={'a' * 43}")),
    ],
    ids=["redirected", "refused", "refused after an exchange"],
)
def test_a_refused_request_is_freed(make_app: MakeApp, tmp_path: Path, status: int, fields: tuple[str, ...]) -> None:
    """The auth service of this test does not exchange the cookie."""
    auth = route_table("/auth/", "public", upstream="auth")
    app = route_table("/app/", login="redirect")
    (tmp_path / "routes.toml").write_text(routes_toml(AUTH_UPSTREAM, NOTES_UPSTREAM, auth, app))
    with running(make_app(GATEWAY_ROUTES=str(tmp_path / "routes.toml"))) as gateway, gateway.connect() as client:
        before = count(RequestCycle)
        for _ in range(6):
            assert client.request("GET /app/ HTTP/1.1", "Host: h", *fields).status == status
        assert count(RequestCycle) <= before + 1  # the last one may still be ending


def test_a_failed_upstream_connection_is_freed(gateway: RunningGateway, upstream: RawUpstream) -> None:
    upstream.begin(closing)
    before = count(UpstreamConnection)
    with gateway.connect() as client:
        for _ in range(6):
            assert client.request("GET /public/ HTTP/1.1", "Host: h").status == 502
    assert count(UpstreamConnection) <= before + 1  # the last one may still be closing
