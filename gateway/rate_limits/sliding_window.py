"""Sliding-window counters: what this worker counted, and what it knows of the other workers.

The window before counts in proportion to its part that lies within the last `seconds`. So no client gets twice the
rate across the border of two windows, and a decision needs three numbers, which are in memory.
"""

import asyncio
from enum import Enum, auto
from math import ceil

from gateway.bounded_cache import BoundedCache
from gateway.routing.routes import RateLimit

MAX_KEYS = 100_000
"""Keys in memory for one limit and window, 260 bytes each. An evicted key is counted on from the sum in Redis."""

SHARE = 10
"""A worker admits a tenth of the remaining requests without asking Redis: up to ten workers cannot exceed a limit by
that. With limits under ten, it asks for each request."""


class Decision(Enum):
    """What a worker can decide about one more request."""

    ADMIT = auto()
    ASK = auto()
    """Other workers may have used what seems to remain: ask Redis."""
    REFUSE = auto()


class WindowCounter:
    """The requests of one key under one limit in one window.

    `shared` is the sum of all workers that Redis last reported, `own` is what this worker counted since.
    """

    __slots__ = ("key", "limit", "own", "previous", "previous_is_shared", "shared", "waiting", "window")

    def __init__(self, limit: RateLimit, key: str, window: int, previous: float) -> None:
        self.limit = limit
        self.key = key
        self.window = window
        """The number of the window: seconds since the epoch, divided by its length."""
        self.previous = previous
        """The requests in the window before."""
        self.previous_is_shared = False
        self.shared = 0
        self.own = 0
        self.waiting: list[asyncio.Future[bool]] = []
        """Requests that wait for the decision of Redis."""

    @property
    def total(self) -> int:
        """The requests in this window that the worker knows of."""
        return self.shared + self.own

    def remaining(self, now: float) -> float:
        """Return how many more requests the limit admits at `now`."""
        rate = self.limit.rate
        elapsed = now / rate.seconds - self.window
        return rate.count - self.shared - self.own - self.previous * max(0.0, 1 - elapsed)

    def decide(self, now: float) -> Decision:
        """Decide about one more request by what this worker knows."""
        remaining = self.remaining(now)
        if remaining < 1:
            return Decision.REFUSE
        return Decision.ADMIT if (self.own + 1) * SHARE <= remaining + self.own else Decision.ASK

    def seconds_until_reset(self, now: float) -> int:
        """Return the whole seconds until this window is over."""
        return max(1, ceil((self.window + 1) * self.limit.rate.seconds - now))

    def retry_after(self, now: float) -> int:
        """Return the whole seconds until one more request is admitted, if no other comes."""
        rate = self.limit.rate
        elapsed = now - self.window * rate.seconds
        if self.total < rate.count and self.previous:  # when enough of the window before has slid out
            until = rate.seconds * (1 - (rate.count - 1 - self.total) / self.previous)
        else:  # when this window is over and enough of it has slid out
            until = rate.seconds * (2 - (rate.count - 1) / max(self.total, 1))
        return max(1, ceil(until - elapsed))


class LimitCounters:
    """The counters of one limit by key, in the current window and the one before."""

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._window = 0
        self._current: BoundedCache[str, WindowCounter] = BoundedCache(MAX_KEYS)
        self._previous: BoundedCache[str, WindowCounter] = BoundedCache(MAX_KEYS)

    def __len__(self) -> int:
        return len(self._current) + len(self._previous)

    def counter(self, key: str, now: float) -> WindowCounter:
        """Return the counter of `key` in the window of `now`."""
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
