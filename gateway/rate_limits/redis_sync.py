"""Shares what the workers of every gateway count, through Redis, in batches beside the requests.

Five times a second, and at once when a request waits for it, each worker adds what it counted to the sum in Redis
and learns what the sum is. For a request that waits this is exact: adding is asking. Keys that came seldom are not
worth it: those who use little of a limit, which are most, cost Redis nothing.

Failure policy: while Redis is away each worker counts by itself, so that a limit holds a worker; nobody waits, and no
request fails. A batch that was not answered is not sent again: it may have been counted, and must not be twice.
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
from gateway.rate_limits.sliding_window import Count, Counter
from gateway.redis_errors import RedisUnavailable, redis_faults
from gateway.routing.routes import RateLimit

PAUSE = 0.2
"""Seconds between two batches."""
BATCH = 100
"""Counts in one batch: some four milliseconds of the loop."""
WORTH = 50
"""A count is reported once a fiftieth of the rate came here: less than what a worker may let in by itself anyway."""
MOST_UNREPORTED = 100_000
"""Counts that may wait to be reported; what comes on top is known here alone."""
RETRY_PAUSE = (0.5, 1.5)
"""Seconds between two attempts to find Redis again; drawn anew each time."""
_SLACK = 60
"""Seconds that a sum outlives its use, for clocks that are apart."""

_log = structlog.get_logger("shared_counts")


class SharedCounts:
    """One worker's counts. `tell` hears whether it counts alone."""

    def __init__(self, redis: "Redis", clock: Clock, tell: Callable[[bool], None] = lambda alone: None) -> None:
        self._redis = redis
        self._clock = clock
        self._tell = tell
        self._counters: dict[str, Counter] = {}
        self._unreported: dict[Count, None] = {}
        self._asking: dict[Count, None] = {}
        self._asked = asyncio.Event()
        self.alone = False
        """Whether Redis is away."""

    def of(self, limit: RateLimit, key: str, now: float) -> Count:
        """The count of `key` under `limit`."""
        counter = self._counters.get(limit.id)
        if counter is None:
            counter = self._counters[limit.id] = Counter(limit)
        return counter.of(key, now)

    def add(self, count: Count) -> None:
        """Counts one request; Redis hears of it with the next batch, once it is worth it."""
        count.own += 1
        if count.own * WORTH >= count.limit.rate.count and len(self._unreported) < MOST_UNREPORTED:
            self._unreported[count] = None

    def take_back(self, count: Count) -> None:
        """Uncounts one request that was refused for another reason; Redis hears of it with the next batch."""
        count.own -= 1
        if count.own < 0:  # what was told already is taken out of the sum again
            self._unreported[count] = None

    async def ask(self, count: Count) -> bool:
        """Whether Redis, too, has room for one more, which is counted then."""
        waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        count.asking.append(waiting)
        self._asking[count] = None
        self._asked.set()
        return await waiting

    async def keep_sharing(self) -> None:
        """Reports until cancelled."""
        try:
            while True:
                if self.alone:
                    await asyncio.sleep(random.uniform(*RETRY_PAUSE))  # noqa: S311 - spreads load, no secret
                    await self.look_for_redis()
                else:
                    await self._pause()
                    await self.report_once()
        finally:
            await self._redis.aclose()

    async def report_once(self) -> None:
        """Reports a batch of what has come since the last time, and settles what waits for it."""
        batch = list(islice(dict.fromkeys(chain(self._asking, self._unreported)), BATCH))
        if not batch:
            return
        for count in batch:
            self._unreported.pop(count, None)
            self._asking.pop(count, None)
        reports = [_Report(count) for count in batch]
        try:
            await self._send(reports)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            self._go_on_alone(reports, error)
            return
        now = self._clock()
        for report in reports:
            report.settle(now)
            if report.count.own < 0:  # those who were refused are taken out of the sum again
                self._unreported[report.count] = None

    async def look_for_redis(self) -> None:
        """Counts together with the others again, where Redis answers."""
        with suppress(RedisUnavailable):
            with redis_faults():
                await self._redis.ping()
            self.alone = False
            self._tell(False)
            _log.info("rate_limits_shared")

    async def _send(self, reports: Sequence["_Report"]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for report in reports:
            count = report.count
            name = _name(count, count.number)
            pipeline.incrby(name, report.added)
            pipeline.expire(name, 2 * count.limit.rate.seconds + _SLACK)
            if not count.previous_is_shared:
                pipeline.get(_name(count, count.number - 1))
        answers = iter(await pipeline.execute())
        for report in reports:
            report.learn(answers)

    async def _pause(self) -> None:
        if len(self._unreported) < BATCH:
            with suppress(TimeoutError):
                async with asyncio.timeout(PAUSE):
                    await self._asked.wait()
        self._asked.clear()

    def _go_on_alone(self, reports: Sequence["_Report"], error: Exception) -> None:
        self.alone = True
        self._tell(True)
        _log.warning("rate_limits_local", reason=redis_reason(error))
        now = self._clock()
        for report in reports:
            report.settle_alone(now)
        # Those that have come to wait meanwhile would wait for an answer to a question that is not asked.
        for count in self._asking:
            _Report(count).settle_alone(now)
        self._asking.clear()


class _Report:
    """What is told of one count in one batch: what came since the last one, and what waits to be let in."""

    def __init__(self, count: Count) -> None:
        self.count = count
        self._own = count.own
        self._waiting, count.asking = count.asking, []

    @property
    def added(self) -> int:
        """What the sum grows by."""
        return self._own + len(self._waiting)

    def learn(self, answers: Iterator[int | bytes | None]) -> None:
        """Takes in the sum with what was added and, where that was not known yet, that of the window before."""
        count = self.count
        total, _ = int(next(answers) or 0), next(answers)
        count.own -= self._own
        count.shared = total - len(self._waiting)
        if not count.previous_is_shared:
            count.previous = max(int(next(answers) or 0), count.previous)
            count.previous_is_shared = True

    def settle(self, now: float) -> None:
        """Lets in of those who wait as many as there is room for."""
        granted = self._let_in(now)
        self.count.shared += len(self._waiting)
        self.count.own -= len(self._waiting) - granted  # who was refused does not count

    def settle_alone(self, now: float) -> None:
        """As settle, where there was no answer."""
        self.count.own -= self._own
        self.count.shared += self._own
        self.count.own += self._let_in(now)

    def _let_in(self, now: float) -> int:
        granted = min(len(self._waiting), max(0, floor(self.count.left(now))))
        for number, waiting in enumerate(self._waiting):
            if not waiting.done():  # whoever has hung up does not wait any more
                waiting.set_result(number < granted)
        return granted


def _name(count: Count, number: int) -> str:
    return f"limit:{count.limit.id}:{number}:{count.key}"
