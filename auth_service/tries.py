"""Owns how often something was tried lately: in Redis for all workers, in windows that begin with a try.

Policy: while Redis is silent each worker counts by itself, from nothing; nobody waits, and nothing is let through
uncounted. What was counted so is forgotten when Redis is back.
"""

import time
from collections.abc import Callable, Sequence
from math import ceil
from typing import TypeVar

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage, RedisStorage

from auth_service.redis_link import Command, RedisLink, RedisSilent
from chassis.rates import Rate

Answer = TypeVar("Answer")

Counter = tuple[Rate, tuple[str, ...]]
"""A rate, and what is counted under it."""


class Tries:
    """Counts by name: of what, and by whom. Safe for threads; a try is counted in one step, so none slips through."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        # Over the link's connections: ones of its own would know neither the time-outs nor the breaker.
        self._shared = RedisStorage("redis://", connection_pool=link.connections, key_prefix="tries")
        self._local = MemoryStorage()

    def add(self, rate: Rate, *name: str) -> bool:
        """Counts a try; False, and nothing counted, where there were as many as the rate allows."""
        if self._change(rate, name, 1) <= rate.count:
            return True
        self._change(rate, name, -1)
        return False

    def take_back(self, rate: Rate, *name: str) -> None:
        """Counts one try less."""
        self._change(rate, name, -1)

    def has(self, rate: Rate, *name: str) -> bool:
        """Whether anything was counted."""
        return self._ask(lambda storage: storage.get(_key(rate, name))) > 0

    def wait(self, rate: Rate, *name: str) -> int:
        """Seconds until it is counted from nothing again."""
        over = self._ask(lambda storage: storage.get_expiry(_key(rate, name)))
        return max(1, ceil(over - time.time()))

    def settle(self, *, forgotten: Sequence[Counter], one_less: Counter, kept: Counter) -> None:
        """Counts `forgotten` from nothing again, `one_less` one less, and `kept` once, for its whole time anew.

        In one round trip: every log-in that is right does this.
        """
        less, anew = _key(*one_less), _key(*kept)
        changes: list[Command] = [
            ("DEL", *(self._shared.prefixed_key(_key(*counter)) for counter in forgotten)),
            ("SET", self._shared.prefixed_key(less), 0, "EX", one_less[0].seconds, "NX"),
            ("DECR", self._shared.prefixed_key(less)),
            ("SET", self._shared.prefixed_key(anew), 1, "EX", kept[0].seconds),
        ]
        try:
            self._link.exchange(*changes)
        except RedisSilent:
            for counter in (*forgotten, kept):
                self._local.clear(_key(*counter))
            self._local.incr(less, one_less[0].seconds, -1)
            self._local.incr(anew, kept[0].seconds)

    def forget(self, rate: Rate, *name: str) -> None:
        """Counts from nothing again."""
        self._ask(lambda storage: storage.clear(_key(rate, name)))

    def _change(self, rate: Rate, name: tuple[str, ...], by: int) -> int:
        return self._ask(lambda storage: storage.incr(_key(rate, name), rate.seconds, by))

    def _ask(self, question: Callable[[RedisStorage | MemoryStorage], Answer]) -> Answer:
        try:
            return self._link.ask(lambda _: question(self._shared))
        except RedisSilent:
            return question(self._local)


def _key(rate: Rate, name: tuple[str, ...]) -> str:
    return RateLimitItemPerSecond(rate.count, rate.seconds).key_for(*name)
