"""Owns the way to Redis, and what happens while it does not answer.

Policy: Redis is an accelerator here, never the record. Every command has 100 ms; after three failures in a row
none is tried for one to two seconds, then one, while the others go on without, and so on until one is answered.
Whoever needed it goes on without: SQL decides, and what was to be published is owed.
"""

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from chassis.clock import Clock
from chassis.redis_reason import redis_reason

TIMEOUT = 0.1
"""Seconds, to connect and for each answer."""
FAILURES = 3
OPEN_FOR = (1.0, 2.0)
"""Seconds; drawn anew each time, so that workers do not come back all at once."""

Answer = TypeVar("Answer")
Command = tuple[str | int, ...]
_log = structlog.get_logger("redis")


class RedisUnavailable(Exception):
    """Redis did not answer, or was not asked because it has not lately."""


class RedisClient:
    """Commands to Redis through a circuit breaker. Safe for threads."""

    def __init__(self, url: str, *, clock: Clock = time.monotonic) -> None:
        self._redis = Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._silent_until = 0.0

    def ask(self, command: Callable[[Redis], Answer], *, insist: bool = False) -> Answer:
        """What `command` gets from Redis. Raises RedisSilent.

        `insist` tries whatever the circuit breaker says: for a background thread, which keeps no request waiting.
        """
        if not (self._may_ask() or insist):
            raise RedisUnavailable
        try:
            answer = command(self._redis)
        except (RedisError, OSError) as error:
            self._note_failure(error)
            raise RedisUnavailable from error
        if self._failures:
            self._note_success()
        return answer

    def exchange(self, *commands: Command) -> list[object]:
        """What Redis says to each of the commands, in one round trip. Raises RedisSilent.

        For what every refresh asks: through the library's pipeline the same takes five times as long.
        """

        def exchange(redis: Redis) -> list[object]:
            connections = redis.connection_pool
            connection = connections.get_connection()
            try:
                packed = connection.pack_commands(commands)  # type: ignore[no-untyped-call]  # typed by halves
                connection.send_packed_command(packed)  # type: ignore[no-untyped-call]  # as above
                return [connection.read_response() for _ in commands]
            except BaseException:
                # An answer that was not read would be taken for the next question's.
                connection.disconnect()  # type: ignore[no-untyped-call]  # as above
                raise
            finally:
                connections.release(connection)

        return self.ask(exchange)

    def close(self) -> None:
        """Gives the connections back."""
        self._redis.close()

    def _may_ask(self) -> bool:
        with self._lock:
            if self._failures < FAILURES:
                return True
            if self._clock() < self._silent_until:
                return False
            self._be_silent()  # for the others: the one that asks now finds out
            return True

    def _note_failure(self, error: Exception) -> None:
        with self._lock:
            self._failures += 1
            if self._failures < FAILURES:
                return
            self._be_silent()
            if self._failures == FAILURES:
                _log.warning("redis_unavailable", reason=redis_reason(error))

    def _note_success(self) -> None:
        with self._lock:
            if self._failures >= FAILURES:
                _log.info("redis_recovered")
            self._failures = 0

    def _be_silent(self) -> None:
        self._silent_until = self._clock() + random.uniform(*OPEN_FOR)  # noqa: S311 - spreads load, no secret
