"""Synchronize rate-limit counters of all workers through Redis, in batches, in a background task.

Five times a second, and at once when a request waits for it, each worker adds its counts to the sums in Redis and
reads the sums. For a request that waits, the result is exact, because one command adds and reads. A counter with few
requests is not sent, so the many clients that use little of a limit cause no Redis traffic.

Failure policy: while Redis is unavailable each worker counts locally, so a limit applies per worker; no request waits
and none fails. A batch without a reply is not sent again, because Redis may have counted it.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from math import floor

import structlog
from redis.asyncio import Redis

from chassis.clock import Clock
from chassis.redis_reason import redis_reason
from gateway.rate_limits.sliding_window import LimitCounters, WindowCounter
from gateway.redis_errors import RedisUnavailable, redis_faults
from gateway.routing.routes import RateLimit

PAUSE = 0.2
"""Seconds between two batches."""

BATCH = 100
"""Maximum counters in one batch, which takes about 4 ms of the event loop."""

REPORTED_DIVISOR = 50
"""A counter is sent once this worker has counted 1/50 of the limit since it last sent it."""

MAX_PENDING = 100_000
"""Maximum counters that wait to be sent; further ones are counted in this worker only."""

RETRY_PAUSE = (0.5, 1.5)
"""Minimum and maximum of the random pause between two attempts to reconnect, in seconds."""

_CLOCK_SKEW = 60
"""Seconds that a sum is kept in Redis after its last use, because the clocks of gateways differ."""

_PROBE_KEY = "rate_limits"
"""A key that does not exist, read to learn whether Redis responds: in a Cluster, PING needs every node."""

_log = structlog.get_logger("redis_sync")


class SharedCounters:
    """The rate-limit counters of one worker.

    `on_local` is called with True when the worker begins to count locally, with False when it shares again.
    """

    def __init__(
        self, redis: "Redis", clock: Clock, on_local: Callable[[bool], None] = lambda is_local: None
    ) -> None:
        self._redis = redis
        self._clock = clock
        self._on_local = on_local
        self._by_limit: dict[str, LimitCounters] = {}
        self._pending: dict[WindowCounter, None] = {}
        """The counters to send with the next batches, the oldest first: a dict, because a set has no order."""
        self._waiting: dict[WindowCounter, None] = {}
        """The counters with requests that wait for Redis. They are sent before the others."""
        self._has_waiting = asyncio.Event()
        self.is_local = False
        """Whether this worker counts locally, because Redis is unavailable."""

    def counter(self, limit: RateLimit, key: str, now: float) -> WindowCounter:
        """Return the counter of `key` under `limit`."""
        counters = self._by_limit.get(limit.id)
        if counters is None:
            counters = self._by_limit[limit.id] = LimitCounters(limit)
        return counters.counter(key, now)

    def increment(self, counter: WindowCounter) -> None:
        """Count one request. The counter is sent with the next batch if it has enough requests."""
        counter.own += 1
        if counter.own * REPORTED_DIVISOR >= counter.limit.rate.count and len(self._pending) < MAX_PENDING:
            self._pending[counter] = None

    def decrement(self, counter: WindowCounter) -> None:
        """Subtract one request, because another limit refused it."""
        counter.own -= 1
        if counter.own < 0:  # the request was sent already: subtract it from the sum in Redis
            self._pending[counter] = None

    async def acquire(self, counter: WindowCounter) -> bool:
        """Let the next batch decide about one request, and return whether it is admitted and counted."""
        waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        counter.waiting.append(waiting)
        self._waiting[counter] = None
        self._has_waiting.set()
        return await waiting

    async def keep_sharing(self) -> None:
        """Send batches until cancelled."""
        try:
            while True:
                if self.is_local:
                    await asyncio.sleep(random.uniform(*RETRY_PAUSE))  # noqa: S311 - spreads load, no secret
                    await self.reconnect()
                else:
                    await self._pause()
                    await self.send_batch()
        finally:
            await self._redis.aclose()

    async def send_batch(self) -> None:
        """Send the counts since the last batch, and decide about the requests that wait."""
        batch = list(islice(dict.fromkeys(chain(self._waiting, self._pending)), BATCH))
        if not batch:
            return
        for counter in batch:
            self._pending.pop(counter, None)
            self._waiting.pop(counter, None)
        updates = [_Update(counter) for counter in batch]
        try:
            await self._send(updates)
        except Exception as error:  # noqa: BLE001 - after any error, the waiting requests need a decision
            self._go_local(updates, error)
            return
        now = self._clock()
        for update in updates:
            update.decide_waiting(now)
            if update.counter.own < 0:  # subtract the refused requests from the sum
                self._pending[update.counter] = None

    async def reconnect(self) -> None:
        """Share counters again if Redis responds."""
        with suppress(RedisUnavailable):
            with redis_faults():
                await self._redis.get(_PROBE_KEY)
            self.is_local = False
            self._on_local(False)
            _log.info("rate_limits_shared")

    async def _send(self, updates: Sequence["_Update"]) -> None:
        """Add the counts to the sums in Redis, and store the sums that it returns."""
        pipeline = self._redis.pipeline(transaction=False)
        for update in updates:
            counter = update.counter
            key = _redis_key(counter, counter.window)
            pipeline.incrby(key, update.increment)
            pipeline.expire(key, 2 * counter.limit.rate.seconds + _CLOCK_SKEW)
            if not counter.previous_is_shared:
                pipeline.get(_redis_key(counter, counter.window - 1))
        replies = iter(await pipeline.execute())
        for update in updates:
            update.apply(replies)

    async def _pause(self) -> None:
        """Wait PAUSE seconds, or until a request waits for Redis. Do not wait while a full batch is pending."""
        if len(self._pending) < BATCH:
            with suppress(TimeoutError):
                async with asyncio.timeout(PAUSE):
                    await self._has_waiting.wait()
        self._has_waiting.clear()

    def _go_local(self, updates: Sequence["_Update"], error: Exception) -> None:
        self.is_local = True
        self._on_local(True)
        _log.warning("rate_limits_local", error=redis_reason(error))
        now = self._clock()
        for update in updates:
            update.decide_locally(now)
        # Requests that began to wait during the failed batch. No further batch will decide about them.
        for counter in self._waiting:
            _Update(counter).decide_locally(now)
        self._waiting.clear()


class _Update:
    """The update of one counter in one batch: the counts since the last one, and the requests that wait."""

    def __init__(self, counter: WindowCounter) -> None:
        self.counter = counter
        self._sent = counter.own
        self._waiting, counter.waiting = counter.waiting, []

    @property
    def increment(self) -> int:
        """Return the number that is added to the sum in Redis."""
        return self._sent + len(self._waiting)

    def apply(self, replies: Iterator[int | bytes | None]) -> None:
        """Store the sum that Redis returned and, if it was not known yet, the sum of the previous window."""
        counter = self.counter
        total, _ = int(next(replies) or 0), next(replies)
        counter.own -= self._sent
        counter.shared = total - len(self._waiting)
        if not counter.previous_is_shared:
            counter.previous = max(int(next(replies) or 0), counter.previous)
            counter.previous_is_shared = True

    def decide_waiting(self, now: float) -> None:
        """Admit as many of the waiting requests as the limit still allows."""
        admitted = self._admit(now)
        self.counter.shared += len(self._waiting)
        self.counter.own -= len(self._waiting) - admitted  # a refused request does not count

    def decide_locally(self, now: float) -> None:
        """Admit as many of the waiting requests as the limit allows by this worker's counts alone."""
        self.counter.own -= self._sent
        self.counter.shared += self._sent
        self.counter.own += self._admit(now)

    def _admit(self, now: float) -> int:
        """Wake every waiting request with its decision. Return the number of admitted ones."""
        admitted = min(len(self._waiting), max(0, floor(self.counter.remaining(now))))
        for index, waiting in enumerate(self._waiting):
            if not waiting.done():  # the client has not disconnected meanwhile
                waiting.set_result(index < admitted)
        return admitted


def _redis_key(counter: WindowCounter, window: int) -> str:
    return f"limit:{counter.limit.id}:{window}:{counter.key}"
