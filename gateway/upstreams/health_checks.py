"""Owns the health checks of upstreams that ask for them: each address is asked now and then whether it is well.

Failure policy: a check leaves an address out, and nothing more; the last ones are asked all the same (balancer.py).
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

_MEMBERS_PAUSE = 1.0
"""Seconds after which a new member is checked at the latest."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checks of an address have come to; `against` of the latest, in a row, said otherwise."""

    healthy: bool = True
    against: int = 0


def after_check(verdict: Verdict, passed: bool, check: HealthCheck) -> Verdict:
    """The verdict after one more check."""
    if passed == verdict.healthy:
        return Verdict(verdict.healthy)
    needed = check.healthy_after if passed else check.unhealthy_after
    against = verdict.against + 1
    return Verdict(passed) if against >= needed else Verdict(verdict.healthy, against)


class HealthChecks:
    """The checks of one upstream's members, whoever they are at the moment."""

    def __init__(self, balancer: Balancer, check: HealthCheck) -> None:
        self._balancer = balancer
        self._check = check
        self._tasks: dict[ConnectionPool, asyncio.Task[NoReturn]] = {}

    async def keep_checking(self) -> NoReturn:
        """Checks until cancelled."""
        try:
            while True:
                self._follow_members()
                failed = [task for task in self._tasks.values() if task.done()]
                for task in failed:
                    task.result()
                await asyncio.sleep(_MEMBERS_PAUSE)
        finally:
            for task in self._tasks.values():
                task.cancel()
            self._tasks.clear()

    def _follow_members(self) -> None:
        for pool in self._tasks.keys() - set(self._balancer.pools):
            self._tasks.pop(pool).cancel()
        for pool in self._balancer.pools:
            if pool not in self._tasks:
                health = AddressHealth(self._balancer, pool, self._check)
                self._tasks[pool] = asyncio.create_task(health.keep_checking())


class AddressHealth:
    """The checks of one address, over connections of their own: to connect is part of being well."""

    def __init__(self, balancer: Balancer, pool: ConnectionPool, check: HealthCheck) -> None:
        self._balancer = balancer
        self._pool = pool
        self._check = check
        self._verdict = Verdict()
        head = f"GET {check.path} HTTP/1.1\r\nUser-Agent: sallyport-health\r\nConnection: close\r\n"
        host = balancer.upstream.host
        named = host not in (HOST_CLIENT, HOST_UPSTREAM)
        self._head = head.encode("ascii") + (f"Host: {host}\r\n".encode() if named else pool.host_line) + b"\r\n"

    async def keep_checking(self) -> NoReturn:
        """Checks until cancelled, each time after the interval more or less a fifth: workers do not ask together."""
        check = self._check
        await asyncio.sleep(random.uniform(0, check.interval))  # noqa: S311 - spreads load, no secret
        while True:
            self._judge(await self._ask())
            await asyncio.sleep(check.interval * random.uniform(0.8, 1.2))  # noqa: S311 - as above

    def _judge(self, complaint: str) -> None:
        before, self._verdict = self._verdict, after_check(self._verdict, not complaint, self._check)
        if self._verdict.healthy != before.healthy:
            self._balancer.set_health(self._pool, healthy=self._verdict.healthy, reason=complaint)

    async def _ask(self) -> str:
        """What is wrong; empty for an answer below 400 in time."""
        try:
            async with asyncio.timeout(self._check.timeout):
                connection = await self._pool.open_unpooled(self._check.timeout)
                try:
                    status = await self._status(connection)
                finally:
                    connection.close()
        except TimeoutError:
            return "timeout"
        except (Unreachable, UpstreamFailed) as error:
            return str(error)
        return "" if status < 400 else f"status {status}"

    async def _status(self, connection: UpstreamConnection) -> int:
        connection.start(self._head, b"", whole=True, method="GET", keep_cookies=False, total=0)
        await connection.wait_for_head(0)
        return connection.status
