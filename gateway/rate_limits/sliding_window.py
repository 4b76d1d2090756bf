"""Owns how often each key came under a limit: what this worker counted, and what it knows of all the others.

A window slides: of the one before counts the part that still lies within the last `seconds`. So nobody has twice the
rate across two windows' border, and a decision needs three numbers, which are in memory.
"""

import asyncio
from enum import Enum, auto
from math import ceil

from gateway.bounded_cache import make_room
from gateway.routing.routes import RateLimit

MOST_KEYS = 100_000
"""Keys that are remembered for one limit and window, some 260 bytes each; of more, the oldest goes. Redis knows it
still, so that it is counted on from there."""

SHARE = 10
"""A worker goes on without asking for a tenth of what it knows to be left: up to ten workers cannot exceed a limit
by that, and limits under ten are asked about each time."""


class Room(Enum):
    """What a worker can say about one more request by itself."""

    FREE = auto()
    UNSURE = auto()
    """Others may have used up what seems to be left: Redis has to be asked."""
    NONE = auto()


class Count:
    """One key in one window. `shared` is what Redis last said of all workers, `own` what came here since."""

    __slots__ = ("asking", "key", "limit", "number", "own", "previous", "previous_is_shared", "shared")

    def __init__(self, limit: RateLimit, key: str, number: int, previous: float) -> None:
        self.limit = limit
        self.key = key
        self.number = number
        self.previous = previous
        self.previous_is_shared = False
        self.shared = 0
        self.own = 0
        self.asking: list[asyncio.Future[bool]] = []
        """Requests that wait for Redis's word."""

    @property
    def total(self) -> int:
        """How often the key came in this window, as far as is known."""
        return self.shared + self.own

    def left(self, now: float) -> float:
        """How many more may come at `now`."""
        seconds = self.limit.rate.seconds
        faded = now / seconds - self.number
        return self.limit.rate.count - self.shared - self.own - self.previous * max(0.0, 1 - faded)

    def room(self, now: float) -> Room:
        """Whether one more may come, as far as this worker knows."""
        left = self.left(now)
        if left < 1:
            return Room.NONE
        return Room.FREE if (self.own + 1) * SHARE <= left + self.own else Room.UNSURE

    def window_left(self, now: float) -> int:
        """Whole seconds until this window is over."""
        return max(1, ceil((self.number + 1) * self.limit.rate.seconds - now))

    def wait(self, now: float) -> int:
        """Whole seconds until there is room for one more, if nobody else comes."""
        rate = self.limit.rate
        into = now - self.number * rate.seconds
        if self.total < rate.count and self.previous:  # room comes as the window before fades
            until = rate.seconds * (1 - (rate.count - 1 - self.total) / self.previous)
        else:  # this window has to end, and then to fade
            until = rate.seconds * (2 - (rate.count - 1) / max(self.total, 1))
        return max(1, ceil(until - into))


class Counter:
    """The keys of one limit, in the window that is on and the one before."""

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._number = 0
        self._counts: dict[str, Count] = {}
        self._before: dict[str, Count] = {}

    def __len__(self) -> int:
        return len(self._counts) + len(self._before)

    def of(self, key: str, now: float) -> Count:
        """The count of `key` in the window of `now`."""
        number = int(now // self._limit.rate.seconds)
        if number != self._number:
            self._before = self._counts if number == self._number + 1 else {}
            self._counts = {}
            self._number = number
        count = self._counts.get(key)
        return count if count is not None else self._begin(key)

    def _begin(self, key: str) -> Count:
        before = self._before.get(key)
        count = Count(self._limit, key, self._number, before.total if before is not None else 0)
        make_room(self._counts, MOST_KEYS)
        self._counts[key] = count
        return count
