"""Attempt counters in Redis, shared by all workers: fixed windows that begin with the first attempt.

Failure policy: while Redis does not reply, each worker counts alone, in memory, without the counts in Redis. When
Redis replies again, only its counts apply.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from auth_service.redis_client import Command, RedisClient, RedisUnavailable
from auth_service.throttling.local_counters import LocalCounters
from chassis.rates import Rate

# Sent as text with EVAL, because a restarted Redis does not know the script for EVALSHA.
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
"""Count an attempt. KEYS are pairs of a counter and its waiver, ARGV pairs of a limit and a window in seconds.

Returns the seconds to wait. If they are 0, the positions in KEYS of the counters that counted the attempt follow.
"""

_PREFIX = "{tries}:"
"""Begins every key. The braces are a hash tag: a Cluster has all counters on one node, because a script uses the
counters of an account and of an address at once."""

_NO_WAIVER = _PREFIX
"""Stands in KEYS for a missing waiver. No counter has an empty name, so it never has a count."""


@dataclass(frozen=True, slots=True)
class Counter:
    """A limit (`rate`) and the `name` under which attempts are counted. It is skipped while `waiver` has a count."""

    rate: Rate
    name: tuple[str, ...]
    waiver: "Counter | None" = None

    @property
    def key(self) -> str:
        """Return the Redis key. It contains the rate, so that a changed rate counts from zero."""
        return f"{_PREFIX}{'/'.join(self.name)}/{self.rate.count}/{self.rate.seconds}"


@dataclass(frozen=True, slots=True)
class Admission:
    """The decision on an attempt: admitted and counted by `counted_by`, or refused if `wait_seconds` is not 0."""

    counted_by: Sequence[Counter] = ()
    wait_seconds: int = 0


class AttemptCounters:
    """Counts attempts, each in one atomic step. Thread-safe."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._local = LocalCounters()

    def admit(self, *counters: Counter) -> Admission:
        """Count an attempt with every counter that is not waived, or refuse it if one has reached its limit."""
        keys = [
            key for counter in counters for key in (counter.key, counter.waiver.key if counter.waiver else _NO_WAIVER)
        ]
        limits = [number for counter in counters for number in (counter.rate.count, counter.rate.seconds)]
        try:
            (reply,) = self._redis.send_pipeline(("EVAL", _ADMIT, len(keys), *keys, *limits))
        except RedisUnavailable:
            return self._admit_locally(counters)
        wait_seconds, *positions = cast(list[int], reply)  # Lua counts from 1, and each counter has two keys
        return Admission([counters[position // 2] for position in positions], wait_seconds)

    def decrement(self, counters: Sequence[Counter]) -> None:
        """Decrement each counter by one attempt. One round trip."""
        self.update(decremented=counters)

    def update(
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
            self._redis.send_pipeline(*commands)
        except RedisUnavailable:
            for counter in (*reset, *set_to_one):
                self._local.reset(counter.key)
            for counter in decremented:
                self._local.add(counter.key, -1, counter.rate.seconds)
            for counter in set_to_one:
                self._local.add(counter.key, 1, counter.rate.seconds)

    def _admit_locally(self, counters: Sequence[Counter]) -> Admission:
        with self._local.lock:
            counted_by = [one for one in counters if not (one.waiver and self._local.count(one.waiver.key))]
            for counter in counted_by:
                if self._local.count(counter.key) >= counter.rate.count:
                    return Admission(wait_seconds=self._local.seconds_left(counter.key))
            for counter in counted_by:
                self._local.add(counter.key, 1, counter.rate.seconds)
        return Admission(counted_by)


def _decrement(counter: Counter) -> tuple[Command, Command]:
    # If the window has ended, DECR starts the next one at -1. SET gives its key an expiry.
    return ("SET", counter.key, 0, "EX", counter.rate.seconds, "NX"), ("DECR", counter.key)
