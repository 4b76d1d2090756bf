"""Concurrency limits: the maximum number of requests of a route in flight in this worker, and a queue for the others.

A request acquires a slot just before it is sent to its upstream. A client that sends its body slowly gets a slot when
the body is complete, or over request_body.REQUEST_BUFFER_BYTES of it have arrived.
If all slots are in use, a request waits in the route's queue, first in, first out, for at most `max_wait` seconds. It
gets 503 if the queue is full or the time is over. A route without a queue refuses at once.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from types import TracebackType
from typing import Protocol

from contract.problems import Refused, jittered_retry_after
from gateway.routing.routes import ConcurrencyLimit, Route

LOGINS = ConcurrencyLimit(max_concurrent=6, queue=1_000, max_wait=5.0)
"""The limit of POST /session/, which has no route. It leaves some of Flask's ten threads (the default of a2wsgi) for
the gateway's other endpoints."""


class ClientGone(Exception):
    """The client closed its connection before its request was served."""


class Client(Protocol):
    """The client of a request that waits for a slot. `on_disconnect` is called when it closes its connection."""

    disconnected: bool
    on_disconnect: Callable[[], None] | None


class Slot:
    """An acquired slot. `release`, or the end of the `with` block, releases it; a second release does nothing."""

    __slots__ = ("_queue",)

    def __init__(self, queue: "ConcurrencyQueue") -> None:
        self._queue: ConcurrencyQueue | None = queue

    def release(self) -> None:
        """Pass the slot to the request that has waited longest, or free it if no request waits."""
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.release_one()

    def __enter__(self) -> None:
        """Do nothing, because the slot is acquired already."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class ConcurrencyQueue:
    """The slots of one route and the requests that wait for one."""

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self._limit = limit
        self._waiters: OrderedDict[asyncio.Future[None], None] = OrderedDict()
        self.in_use = 0
        """The number of slots in use."""

    @property
    def waiting(self) -> int:
        """Return the number of requests that wait for a slot."""
        return len(self._waiters)

    def try_acquire(self) -> Slot | None:
        """Return a free slot, or None if all are in use."""
        if self.in_use >= self._limit.max_concurrent:
            return None
        self.in_use += 1
        return Slot(self)

    async def acquire(self, client: Client) -> Slot:
        """Wait for a slot and return it.

        Raises Refused(503) if the queue is full or `max_wait` is over, and ClientGone if the client disconnects.
        """
        if client.disconnected:
            raise ClientGone
        slot = self.try_acquire()
        if slot is not None:
            return slot
        if len(self._waiters) >= self._limit.queue:
            raise self._busy()
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = None
        client.on_disconnect = lambda: _fail(waiter)
        try:
            async with asyncio.timeout(self._limit.max_wait):
                await waiter
        except BaseException as error:
            self._waiters.pop(waiter, None)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.release_one()  # the wait ended in the same event-loop iteration in which it got the slot
            if isinstance(error, TimeoutError):
                raise self._busy() from error
            raise
        finally:
            client.on_disconnect = None
        return Slot(self)

    def release_one(self) -> None:
        """Pass a slot on to the request that has waited longest. If no request waits, the slot becomes free."""
        while self._waiters:
            waiter, _ = self._waiters.popitem(last=False)
            if not waiter.done():
                waiter.set_result(None)
                return
        self.in_use -= 1

    def _busy(self) -> Refused:
        # Every queued request is served or refused within `max_wait` seconds; until then the queue may still be full.
        seconds = ceil(self._limit.max_wait) if self._limit.queue else 1
        return Refused("route_busy", retry_after=jittered_retry_after(seconds))


class ConcurrencyLimiter:
    """The concurrency queues of all routes that have a concurrency limit."""

    def __init__(self) -> None:
        self._queues: dict[tuple[str, frozenset[str]], ConcurrencyQueue] = {}

    def try_acquire(self, route: Route) -> Slot | None:
        """Return a free slot of `route`, which must have a limit; None if all are in use."""
        return self._queue(route).try_acquire()

    async def acquire(self, route: Route, client: Client) -> Slot:
        """Wait for a slot of `route`, which must have a limit, and return it. Raises Refused(503), or ClientGone."""
        return await self._queue(route).acquire(client)

    def _queue(self, route: Route) -> ConcurrencyQueue:
        """Return the queue of a route, found by prefix and methods: no two routes have both. Raises ValueError."""
        if route.concurrency_limit is None:
            raise ValueError(f"{route.prefix} has no concurrency limit")
        key = (route.prefix, route.methods)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = ConcurrencyQueue(route.concurrency_limit)
        return queue


def _fail(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(ClientGone())
