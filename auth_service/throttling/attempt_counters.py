"""Owns how often something was tried lately: in Redis for all workers, in windows that begin with a try.

Policy: while Redis is silent each worker counts by itself, from nothing; nobody waits, and nothing is let through
uncounted. What was counted so is forgotten when Redis is back.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import cast

from limits.storage import MemoryStorage

from auth_service.storage.redis import Command, RedisClient, RedisUnavailable
from chassis.rates import Rate

# As text each time: a script that is called by its hash is unknown to a Redis that was restarted.
_ADMIT = """
local counted = {}
for i = 1, #KEYS, 2 do
    if redis.call('EXISTS', KEYS[i + 1]) == 0 then
        if tonumber(redis.call('GET', KEYS[i]) or 0) >= tonumber(ARGV[i]) then
            return {math.max(1, math.ceil(redis.call('PTTL', KEYS[i]) / 1000))}
        end
        counted[#counted + 1] = i
    end
end
for _, i in ipairs(counted) do
    if redis.call('INCR', KEYS[i]) == 1 then redis.call('EXPIRE', KEYS[i], ARGV[i + 1]) end
end
return {0, unpack(counted)}
"""
"""KEYS are pairs of a counter and its waiver, ARGV pairs of a count and seconds. Answers with the seconds to wait,
and where they are 0, with the places of the counters that count the try."""

_NO_WAIVER = ""


@dataclass(frozen=True, slots=True)
class Counter:
    """A rate, and what is counted under it: nothing, where `waiver` has counted anything."""

    rate: Rate
    name: tuple[str, ...]
    waiver: "Counter | None" = None

    @property
    def key(self) -> str:
        """In Redis. With the rate in it: another one counts from nothing."""
        return f"tries:{'/'.join(self.name)}/{self.rate.count}/{self.rate.seconds}"


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of a try: which counters count it, or for how many seconds it has to wait."""

    counted: Sequence[Counter] = ()
    wait: int = 0


class AttemptCounters:
    """Counts by name: of what, and by whom. Safe for threads; a try is counted in one step, so none slips through."""

    def __init__(self, link: RedisClient) -> None:
        self._link = link
        self._local = MemoryStorage()
        self._local_turn = threading.Lock()

    def admit(self, *counters: Counter) -> Admission:
        """Counts a try under all of them; under none where one has counted as many as its rate allows.

        In one round trip: every log-in does this, and `settle`.
        """
        keys = [key for one in counters for key in (one.key, one.waiver.key if one.waiver else _NO_WAIVER)]
        limits = [number for one in counters for number in (one.rate.count, one.rate.seconds)]
        try:
            (answer,) = self._link.exchange(("EVAL", _ADMIT, len(keys), *keys, *limits))
        except RedisUnavailable:
            return self._admit_here(counters)
        wait, *places = cast(list[int], answer)
        return Admission([counters[place // 2] for place in places], wait)

    def take_back(self, counters: Sequence[Counter]) -> None:
        """Counts one try less under each."""
        try:
            self._link.exchange(*(command for counter in counters for command in _one_less(counter)))
        except RedisUnavailable:
            for counter in counters:
                self._local.incr(counter.key, counter.rate.seconds, -1)

    def settle(
        self, *, forgotten: Sequence[Counter], one_less: Sequence[Counter] = (), kept: Sequence[Counter] = ()
    ) -> None:
        """Counts `forgotten` from nothing again, `one_less` one less, and `kept` once, for its whole time anew.

        In one round trip.
        """
        changes: list[Command] = [("DEL", *(counter.key for counter in forgotten))]
        changes += [command for counter in one_less for command in _one_less(counter)]
        changes += [("SET", counter.key, 1, "EX", counter.rate.seconds) for counter in kept]
        try:
            self._link.exchange(*changes)
        except RedisUnavailable:
            for counter in (*forgotten, *kept):
                self._local.clear(counter.key)
            for counter in one_less:
                self._local.incr(counter.key, counter.rate.seconds, -1)
            for counter in kept:
                self._local.incr(counter.key, counter.rate.seconds)

    def _admit_here(self, counters: Sequence[Counter]) -> Admission:
        with self._local_turn:
            counted = [one for one in counters if not (one.waiver and self._local.get(one.waiver.key))]
            for counter in counted:
                if self._local.get(counter.key) >= counter.rate.count:
                    return Admission(wait=max(1, ceil(self._local.get_expiry(counter.key) - time.time())))
            for counter in counted:
                self._local.incr(counter.key, counter.rate.seconds)
        return Admission(counted)


def _one_less(counter: Counter) -> tuple[Command, Command]:
    # Where the window has ended meanwhile, the next one begins with a try in hand: an entry must not stay for ever.
    return ("SET", counter.key, 0, "EX", counter.rate.seconds, "NX"), ("DECR", counter.key)
