"""Sliding-window counters: the counts of this worker, and the last known sum of all workers.

The count of the previous window is weighted by the part of it that lies within the last window length. So no client
gets twice the rate at the boundary of two windows. A decision needs only three numbers, which are in memory.
"""

import asyncio
from enum import Enum, auto
from math import ceil

from gateway.bounded_cache import BoundedCache
from gateway.routing.routes import RateLimit

MAX_KEYS = 100_000
"""Maximum keys in memory for one limit and window, 260 bytes each. An evicted key starts again at zero, until its new
counter gets the sum from Redis."""

LOCAL_DIVISOR = 10
"""A worker admits 1/10 of the remaining requests without Redis. So a limit is exceeded by at most 1/10 per worker.
With limits under ten, it calls Redis for each request."""


class Decision(Enum):
    """The decision of a worker about one more request, from the counts that it knows."""

    ADMIT = auto()
    CHECK_REDIS = auto()
    """Other workers may have admitted the remaining requests, so Redis has to decide."""
    REFUSE = auto()
    """The known requests exhaust the limit already."""


class WindowCounter:
    """The requests of one key under one limit in one window.

    `shared` is the sum of all workers that Redis last returned; `own` is the count of this worker since then.
    """

    __slots__ = ("key", "limit", "own", "previous", "previous_is_shared", "shared", "waiting", "window")

    def __init__(self, limit: RateLimit, key: str, window: int, previous: float) -> None:
        self.limit = limit
        self.key = key
        self.window = window
        """The number of the window: seconds since the epoch, divided by its length."""
        self.previous = previous
        """The requests in the previous window."""
        self.previous_is_shared = False
        """Whether `previous` is the sum of all workers from Redis, and not only this worker's count."""
        self.shared = 0
        self.own = 0
        self.waiting: list[asyncio.Future[bool]] = []
        """Requests that wait until Redis has returned the sum."""

    @property
    def total(self) -> int:
        """Return the number of requests in this window that the worker knows of."""
        return self.shared + self.own

    def remaining(self, now: float) -> float:
        """Return how many more requests the limit admits at `now`."""
        rate = self.limit.rate
        elapsed = now / rate.seconds - self.window
        return rate.count - self.shared - self.own - self.previous * max(0.0, 1 - elapsed)

    def decide(self, now: float) -> Decision:
        """Return the decision about one more request, from the counts that this worker knows."""
        remaining = self.remaining(now)
        if remaining < 1:
            return Decision.REFUSE
        return Decision.ADMIT if (self.own + 1) * LOCAL_DIVISOR <= remaining + self.own else Decision.CHECK_REDIS

    def seconds_until_reset(self, now: float) -> int:
        """Return the seconds until this window ends, rounded up."""
        return max(1, ceil((self.window + 1) * self.limit.rate.seconds - now))

    def retry_after(self, now: float) -> int:
        """Return the seconds until one more request is admitted if no other request comes before, rounded up."""
        rate = self.limit.rate
        elapsed = now - self.window * rate.seconds
        if self.total < rate.count and self.previous:  # when the previous window weighs little enough
            until = rate.seconds * (1 - (rate.count - 1 - self.total) / self.previous)
        else:  # after the end of this window, when this one weighs little enough
            until = rate.seconds * (2 - (rate.count - 1) / max(self.total, 1))
        return max(1, ceil(until - elapsed))


class LimitCounters:
    """The counters of one limit by key, in the current and the previous window."""

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._window = 0
        self._current: BoundedCache[str, WindowCounter] = BoundedCache(MAX_KEYS)
        self._previous: BoundedCache[str, WindowCounter] = BoundedCache(MAX_KEYS)

    def __len__(self) -> int:
        return len(self._current) + len(self._previous)

    def counter(self, key: str, now: float) -> WindowCounter:
        """Return the counter of `key` in the window that contains the time `now`."""
        window = int(now // self._limit.rate.seconds)
        if window != self._window:
            self._previous = self._current if window == self._window + 1 else BoundedCache(MAX_KEYS)
            self._current = BoundedCache(MAX_KEYS)
            self._window = window
        counter = self._current.get(key)
        if counter is None:
            previous = self._previous.get(key)
            total = previous.total if previous is not None else 0
            counter = self._current[key] = WindowCounter(self._limit, key, window, total)
        return counter
