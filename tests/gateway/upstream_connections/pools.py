"""Connection pools for tests, on an event loop like a worker's."""

import asyncio
from collections.abc import Awaitable, Callable

import uvloop

from gateway.routing.routes import Address
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import ConnectionPool
from tests.gateway.raw_upstream import WAIT, RawUpstream

HEAD = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"

PoolTest = Callable[[ConnectionPool], Awaitable[None]]


def run_with_pool(
    upstream: RawUpstream, test: PoolTest, *, max_connections: int = 9, max_age: float = 0, max_requests: int = 0
) -> None:
    """Run `test` with a new pool of connections to `upstream`."""

    async def run() -> None:
        address = Address("h", "127.0.0.1", upstream.port)
        pool = ConnectionPool(address, max_connections, max_age=max_age, max_requests=max_requests)
        try:
            await test(pool)
        finally:
            pool.close()
            await asyncio.sleep(0)

    uvloop.run(run())  # event loops differ in the order of timers and sockets, and workers use uvloop


async def exchange(pool: ConnectionPool, connection: UpstreamConnection) -> None:
    """Send one request on the connection, read its whole response, and release the connection."""
    connection.start(HEAD, b"", whole=True, method="GET", keep_cookies=False, total=WAIT)
    await connection.wait_for_head(WAIT)
    while not connection.complete:
        await connection.read_body(WAIT)
    connection.take_body()
    pool.release(connection)


def loop_time() -> float:
    """Return the running loop's time in seconds."""
    return asyncio.get_running_loop().time()
