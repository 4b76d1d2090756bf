"""Active health checks: the gateway sends a request to each address of an upstream at an interval.

Failure policy: an address that fails its checks gets no requests. If every address fails, all are used (balancer.py).
"""

import asyncio
import random
from dataclasses import dataclass
from typing import NoReturn

from gateway.routing.routes import HOST_CLIENT, HOST_UPSTREAM, HealthCheck
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import ConnectionPool
from gateway.upstream_connections.errors import Unreachable, UpstreamFailed
from gateway.upstreams.balancer import Balancer

MEMBERS_INTERVAL = 1.0
"""Seconds within which the checks of a new address start."""


@dataclass(frozen=True, slots=True)
class HealthState:
    """The health of an address. `contrary_checks` counts the latest consecutive checks with the opposite result."""

    healthy: bool = True
    contrary_checks: int = 0


def after_check(state: HealthState, passed: bool, check: HealthCheck) -> HealthState:
    """Return the state after one more check, which has passed or failed."""
    if passed == state.healthy:
        return HealthState(state.healthy)
    needed = check.healthy_after if passed else check.unhealthy_after
    contrary_checks = state.contrary_checks + 1
    return HealthState(passed) if contrary_checks >= needed else HealthState(state.healthy, contrary_checks)


class HealthChecks:
    """The health checks of one upstream: a task for each of its current addresses."""

    def __init__(self, balancer: Balancer, check: HealthCheck) -> None:
        self._balancer = balancer
        self._check = check
        self._tasks: dict[ConnectionPool, asyncio.Task[NoReturn]] = {}

    async def keep_checking(self) -> NoReturn:
        """Check every address until cancelled. Raises the error of a check's task that failed by a defect."""
        try:
            while True:
                self._update_tasks()
                failed = [task for task in self._tasks.values() if task.done()]
                for task in failed:
                    task.result()
                await asyncio.sleep(MEMBERS_INTERVAL)
        finally:
            for task in self._tasks.values():
                task.cancel()
            self._tasks.clear()

    def _update_tasks(self) -> None:
        for pool in self._tasks.keys() - set(self._balancer.pools):
            self._tasks.pop(pool).cancel()
        for pool in self._balancer.pools:
            if pool not in self._tasks:
                checks = AddressHealthChecks(self._balancer, pool, self._check)
                self._tasks[pool] = asyncio.create_task(checks.keep_checking())


class AddressHealthChecks:
    """The health checks of one address. Each uses a new connection, because connecting is part of the check."""

    def __init__(self, balancer: Balancer, pool: ConnectionPool, check: HealthCheck) -> None:
        self._balancer = balancer
        self._pool = pool
        self._check = check
        self._state = HealthState()
        head = f"GET {check.path} HTTP/1.1\r\nUser-Agent: sallyport-health\r\nConnection: close\r\n"
        host = balancer.upstream.host
        is_name = host not in (HOST_CLIENT, HOST_UPSTREAM)
        self._head = head.encode("ascii") + (f"Host: {host}\r\n".encode() if is_name else pool.host_line) + b"\r\n"

    async def keep_checking(self) -> NoReturn:
        """Check until cancelled, at the interval plus or minus 20 %, so that workers do not check together."""
        check = self._check
        await asyncio.sleep(random.uniform(0, check.interval))  # noqa: S311 - spreads load, no secret
        while True:
            self._record(await self._run_check())
            await asyncio.sleep(check.interval * random.uniform(0.8, 1.2))  # noqa: S311 - as above

    def _record(self, failure: str) -> None:
        before, self._state = self._state, after_check(self._state, not failure, self._check)
        if self._state.healthy != before.healthy:
            self._balancer.set_health(self._pool, healthy=self._state.healthy, reason=failure)

    async def _run_check(self) -> str:
        """Return why the check failed; empty for a response with a status below 400 within the timeout."""
        try:
            async with asyncio.timeout(self._check.timeout):
                connection = await self._pool.open_unpooled(self._check.timeout)
                try:
                    status = await self._request_status(connection)
                finally:
                    connection.close()
        except TimeoutError:
            return "timeout"
        except (Unreachable, UpstreamFailed) as error:
            return str(error)
        return "" if status < 400 else f"status {status}"

    async def _request_status(self, connection: UpstreamConnection) -> int:
        connection.start(self._head, b"", whole=True, method="GET", keep_cookies=False, total=0)
        await connection.wait_for_head(0)
        return connection.status
