"""Connects to one of an upstream's addresses, and tries the next one early where the first is silent.

RFC 8305 section 5: attempts are started a quarter of a second apart, and the first connection wins. An attempt that
lost goes on until it fails or is made: its failure counts against its address, and its connection is kept.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from contract.problems import Refused
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import ConnectionPool
from gateway.upstream_connections.errors import Unreachable

ATTEMPT_DELAY = 0.25
"""Seconds after which the next address is tried as well."""

TRIES = 3
"""Addresses that one request tries to connect to."""

Attempt = Callable[[ConnectionPool, float], Coroutine[Any, Any, UpstreamConnection]]
"""Connects to the address of a pool within so many seconds."""

Another = Callable[[Collection[ConnectionPool]], ConnectionPool | None]
"""The address to try besides those that were tried, or None."""


class HappyEyeballs:
    """The attempts of one upstream that are under way."""

    def __init__(self) -> None:
        self._lost: set[asyncio.Task[UpstreamConnection]] = set()

    async def run(
        self, pool: ConnectionPool, timeout: float, attempt: Attempt, another: Another
    ) -> tuple[ConnectionPool, UpstreamConnection]:
        """The first connection that is made within `timeout` seconds in all, and its pool.

        Raises Unreachable when all fail, and Refused(503) at the bound of connections.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        tried = [pool]
        running = {loop.create_task(attempt(pool, timeout)): pool}
        error: Unreachable | Refused = Unreachable("no attempt")
        try:
            while running:
                left = until - loop.time()
                following = another(tried) if len(tried) < TRIES and left > 0 else None
                done = await _first_done(running, ATTEMPT_DELAY if following is not None else None)
                for task in done:
                    pool = running.pop(task)
                    try:
                        return pool, task.result()
                    except (Unreachable, Refused) as failed:
                        error = failed
                if following is not None:
                    tried.append(following)
                    running[loop.create_task(attempt(following, max(left, 0.001)))] = following
            raise error
        finally:
            for task, place in running.items():
                self._let_end(task, place)

    def _let_end(self, task: asyncio.Task[UpstreamConnection], pool: ConnectionPool) -> None:
        self._lost.add(task)

        def ended(_: asyncio.Task[UpstreamConnection]) -> None:
            self._lost.discard(task)
            if task.cancelled():
                return
            error = task.exception()
            if error is None:
                pool.keep_unused(task.result())
            elif not isinstance(error, Unreachable | Refused):
                raise error

        task.add_done_callback(ended)

    @property
    def is_idle(self) -> bool:
        """Whether no attempt that lost is under way."""
        return not self._lost

    def close(self) -> None:
        """Break off the attempts that are left."""
        for task in tuple(self._lost):
            task.cancel()


async def _first_done(
    running: Collection[asyncio.Task[UpstreamConnection]], timeout: float | None
) -> set[asyncio.Task[UpstreamConnection]]:
    done, _ = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    return done
