"""Counters of attempts: fixed windows that begin with the first attempt, in Redis for all workers.

Failure policy: while Redis does not answer, each worker counts by itself and from zero. No request waits, and none is
admitted uncounted. Those counts are dropped when Redis is back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from auth_service.redis_client import Command, RedisClient, RedisUnavailable
from auth_service.throttling.local_counters import LocalCounters
from chassis.rates import Rate

# Sent as text: a restarted Redis does not know a script by its hash.
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
"""KEYS are pairs of a counter and its waiver, ARGV pairs of a limit and a window in seconds.

Returns the seconds to wait and, if they are 0, the positions of the counters that count the attempt.
"""

_NO_WAIVER = ""


@dataclass(frozen=True, slots=True)
class Counter:
    """A rate and the name under which attempts are counted. It does not apply while `waiver` has a count."""

    rate: Rate
    name: tuple[str, ...]
    waiver: "Counter | None" = None

    @property
    def key(self) -> str:
        """The Redis key. It contains the rate, so that a changed rate counts from zero."""
        return f"tries:{'/'.join(self.name)}/{self.rate.count}/{self.rate.seconds}"


@dataclass(frozen=True, slots=True)
class Admission:
    """An admitted attempt with the counters that count it, or a refused one with the seconds to wait."""

    counted: Sequence[Counter] = ()
    wait_seconds: int = 0


class AttemptCounters:
    """Counts attempts in one atomic step each. Safe for threads."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._local = LocalCounters()

    def admit(self, *counters: Counter) -> Admission:
        """Count an attempt under every counter, or under none if one has reached its limit. One round trip."""
        keys = [key for one in counters for key in (one.key, one.waiver.key if one.waiver else _NO_WAIVER)]
        limits = [number for one in counters for number in (one.rate.count, one.rate.seconds)]
        try:
            (reply,) = self._redis.exchange(("EVAL", _ADMIT, len(keys), *keys, *limits))
        except RedisUnavailable:
            return self._admit_locally(counters)
        wait_seconds, *positions = cast(list[int], reply)
        return Admission([counters[position // 2] for position in positions], wait_seconds)

    def decrement(self, counters: Sequence[Counter]) -> None:
        """Count one attempt less under each counter. One round trip."""
        self.settle(decremented=counters)

    def settle(
        self,
        *,
        reset: Sequence[Counter] = (),
        decremented: Sequence[Counter] = (),
        set_to_one: Sequence[Counter] = (),
    ) -> None:
        """Delete the counters in `reset`, decrement others, and set others to 1 with a new window. One round trip."""
        commands: list[Command] = [("DEL", *(counter.key for counter in reset))] if reset else []
        commands += [command for counter in decremented for command in _decrement(counter)]
        commands += [("SET", counter.key, 1, "EX", counter.rate.seconds) for counter in set_to_one]
        try:
            self._redis.exchange(*commands)
        except RedisUnavailable:
            for counter in (*reset, *set_to_one):
                self._local.reset(counter.key)
            for counter in decremented:
                self._local.add(counter.key, -1, counter.rate.seconds)
            for counter in set_to_one:
                self._local.add(counter.key, 1, counter.rate.seconds)

    def _admit_locally(self, counters: Sequence[Counter]) -> Admission:
        with self._local.lock:
            counted = [one for one in counters if not (one.waiver and self._local.count(one.waiver.key))]
            for counter in counted:
                if self._local.count(counter.key) >= counter.rate.count:
                    return Admission(wait_seconds=self._local.seconds_left(counter.key))
            for counter in counted:
                self._local.add(counter.key, 1, counter.rate.seconds)
        return Admission(counted)


def _decrement(counter: Counter) -> tuple[Command, Command]:
    # If the window has ended, the next one begins at -1; without SET the key would never expire.
    return ("SET", counter.key, 0, "EX", counter.rate.seconds, "NX"), ("DECR", counter.key)
