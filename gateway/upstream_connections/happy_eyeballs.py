"""Happy Eyeballs (RFC 8305): connect to one of several addresses, and start the next attempt before the first fails.

Attempts start 250 ms apart, and the first established connection is used (RFC 8305 section 5). The other attempts
continue: a failure counts as a failure of its address, and a connection is kept in its pool.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from contract.problems import Refused
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import ConnectionPool
from gateway.upstream_connections.errors import Unreachable

CONNECTION_ATTEMPT_DELAY = 0.25
"""Seconds between the starts of two attempts (RFC 8305 section 8)."""

MAX_ATTEMPTS = 3
"""Maximum number of addresses tried for one request."""

Attempt = Callable[[ConnectionPool, float], Coroutine[Any, Any, UpstreamConnection]]
"""A function that connects to the address of a pool within a timeout in seconds."""

NextPool = Callable[[Collection[ConnectionPool]], ConnectionPool | None]
"""A function that returns a pool that is not among those tried, or None."""


class HappyEyeballs:
    """The connection attempts of one upstream."""

    def __init__(self) -> None:
        self._unfinished: set[asyncio.Task[UpstreamConnection]] = set()

    async def connect(
        self, pool: ConnectionPool, timeout: float, attempt: Attempt, next_pool: NextPool
    ) -> tuple[ConnectionPool, UpstreamConnection]:
        """Return the first connection established within `timeout` seconds in all, and its pool.

        Raises the last error if all attempts fail: Unreachable, or Refused(503) if `max_connections` is reached.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        tried = [pool]
        running = {loop.create_task(attempt(pool, timeout)): pool}
        error: Unreachable | Refused = Unreachable("no attempt")
        try:
            while running:
                remaining = deadline - loop.time()
                following = next_pool(tried) if len(tried) < MAX_ATTEMPTS and remaining > 0 else None
                done = await _first_done(running, CONNECTION_ATTEMPT_DELAY if following is not None else None)
                for task in done:
                    pool = running.pop(task)
                    try:
                        return pool, task.result()
                    except (Unreachable, Refused) as failure:
                        error = failure
                if following is not None:
                    tried.append(following)
                    running[loop.create_task(attempt(following, max(remaining, 0.001)))] = following
            raise error
        finally:
            for task, own_pool in running.items():
                self._continue_in_background(task, own_pool)

    def _continue_in_background(self, task: asyncio.Task[UpstreamConnection], pool: ConnectionPool) -> None:
        """Let an attempt that is not needed any more finish, and keep its connection in `pool`."""
        self._unfinished.add(task)

        def on_done(_: asyncio.Task[UpstreamConnection]) -> None:
            self._unfinished.discard(task)
            if task.cancelled():
                return
            error = task.exception()
            if error is None:
                pool.keep_unused(task.result())
            elif not isinstance(error, Unreachable | Refused):
                raise error

        task.add_done_callback(on_done)

    @property
    def is_idle(self) -> bool:
        """Return whether no attempt continues in the background."""
        return not self._unfinished

    def close(self) -> None:
        """Cancel the attempts that continue in the background."""
        for task in tuple(self._unfinished):
            task.cancel()


async def _first_done(
    running: Collection[asyncio.Task[UpstreamConnection]], timeout: float | None
) -> set[asyncio.Task[UpstreamConnection]]:
    done, _ = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    return done
