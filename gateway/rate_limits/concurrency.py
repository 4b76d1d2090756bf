"""Bounds how many requests of a route are under way at once in this worker, and how many wait for their turn.

A request takes a place when it is about to be sent to its service: a client that sends its body slowly holds none,
before more than request_body.REQUEST_BUFFER_BYTES bytes of it are here.
Beyond the bound it waits in the route's queue, first come first served, for at most `max_wait` seconds. It is refused
with 503 when the queue is full or the time is up. A route without a queue refuses at once.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from math import ceil
from types import TracebackType
from typing import Protocol

from contract.problems import Refused, spread
from gateway.routing.routes import ConcurrencyLimit, Route

LOGINS = ConcurrencyLimit(max_concurrent=6, queue=1_000, max_wait=5.0)
"""For POST /session/, which is no route: more at once would take every thread of the gateway's own endpoints."""


class ClientGone(Exception):
    """The client closed its connection while its request waited for a place."""


class Client(Protocol):
    """Who waits for a place. `on_disconnect` is called when the client closes its connection."""

    disconnected: bool
    on_disconnect: Callable[[], None] | None


class Place:
    """A taken place. Leaving the `with` block, or `give_back`, frees it; doing so again changes nothing."""

    __slots__ = ("_places",)

    def __init__(self, places: "Places") -> None:
        self._places: Places | None = places

    def give_back(self) -> None:
        """Frees the place for the request that has waited longest."""
        places, self._places = self._places, None
        if places is not None:
            places.free_one()

    def __enter__(self) -> None:
        """Nothing is left to do: the place is taken already."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_back()


class Places:
    """The places of one route and its queue."""

    def __init__(self, bound: ConcurrencyLimit) -> None:
        self._bound = bound
        self._queue: OrderedDict[asyncio.Future[None], None] = OrderedDict()
        self.taken = 0

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._queue)

    def take(self) -> Place | None:
        """A free place, or None where all are taken."""
        if self.taken >= self._bound.max_concurrent:
            return None
        self.taken += 1
        return Place(self)

    async def wait(self, client: Client) -> Place:
        """A place, once there is one. Raises Refused(503), or ClientGone."""
        if client.disconnected:
            raise ClientGone
        place = self.take()
        if place is not None:
            return place
        if len(self._queue) >= self._bound.queue:
            raise self._busy()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue[turn] = None
        client.on_disconnect = lambda: self._leave_queue(turn)
        try:
            async with asyncio.timeout(self._bound.max_wait):
                await turn
        except BaseException as error:
            self._queue.pop(turn, None)
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.free_one()  # the place came in the same moment in which the waiting ended
            if isinstance(error, TimeoutError):
                raise self._busy() from error
            raise
        finally:
            client.on_disconnect = None
        return Place(self)

    def free_one(self) -> None:
        """Hands a place to the request that has waited longest, or else leaves it free."""
        while self._queue:
            turn, _ = self._queue.popitem(last=False)
            if not turn.done():
                turn.set_result(None)
                return
        self.taken -= 1

    def _leave_queue(self, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            turn.set_exception(ClientGone())

    def _busy(self) -> Refused:
        # Where there is a queue, it is as long as what can be served in `max_wait`: sooner would be in vain.
        seconds = ceil(self._bound.max_wait) if self._bound.queue else 1
        return Refused("route_busy", retry_after=spread(seconds))


class Concurrency:
    """The places of every route that is bounded, and those of log-ins at the gateway's own endpoint."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, frozenset[str]], Places] = {}

    def take(self, route: Route) -> Place | None:
        """A free place of `route`, which is bounded; None where the request has to wait or be refused."""
        return self._of(route).take()

    async def wait(self, route: Route, client: Client) -> AbstractContextManager[None]:
        """A place of `route`, once there is one. Raises Refused(503), or ClientGone."""
        return await self._of(route).wait(client) if route.concurrency_limit is not None else _UNBOUNDED

    def _of(self, route: Route) -> Places:
        if route.concurrency_limit is None:
            raise ValueError(f"{route.prefix} is not bounded")
        key = (route.prefix, route.methods)
        places = self._places.get(key)
        if places is None:
            places = self._places[key] = Places(route.concurrency_limit)
        return places


_UNBOUNDED: AbstractContextManager[None] = nullcontext()
