"""Redis commands through a circuit breaker.

Policy: Redis is an accelerator here, never the record. A command may take 100 ms. After three failures in a row the
circuit opens: for one to two seconds every command fails at once, then one is tried, until one succeeds. Callers
go on without Redis: SQL decides, and revocations are published later.
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
"""Failures in a row that open the circuit."""
OPEN_FOR = (1.0, 2.0)
"""Seconds that the circuit is open; random, so that the workers do not all retry at once."""

Reply = TypeVar("Reply")
Command = tuple[str | int, ...]
_log = structlog.get_logger("redis")


class RedisUnavailable(Exception):
    """Redis did not answer, or the circuit is open."""


class RedisClient:
    """Sends commands to Redis unless the circuit is open. Safe for threads."""

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
        self._open_until = 0.0

    def ask(self, command: Callable[[Redis], Reply], *, ignore_circuit: bool = False) -> Reply:
        """Return what `command` returns. Raises RedisUnavailable.

        `ignore_circuit` is for background threads, which keep no request waiting.
        """
        if not (self._is_allowed() or ignore_circuit):
            raise RedisUnavailable
        try:
            reply = command(self._redis)
        except (RedisError, OSError) as error:
            self._record_failure(error)
            raise RedisUnavailable from error
        if self._failures:
            self._record_success()
        return reply

    def exchange(self, *commands: Command) -> list[object]:
        """Return the reply to each command, in one round trip. Raises RedisUnavailable.

        Every refresh uses it: the library's pipeline takes five times as long.
        """

        def exchange(redis: Redis) -> list[object]:
            connections = redis.connection_pool
            connection = connections.get_connection()
            try:
                packed = connection.pack_commands(commands)  # type: ignore[no-untyped-call]  # typed by halves
                connection.send_packed_command(packed)  # type: ignore[no-untyped-call]  # as above
                return [connection.read_response() for _ in commands]
            except BaseException:
                # An unread reply would be taken for the next command's.
                connection.disconnect()  # type: ignore[no-untyped-call]  # as above
                raise
            finally:
                connections.release(connection)

        return self.ask(exchange)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _is_allowed(self) -> bool:
        with self._lock:
            if self._failures < FAILURES:
                return True
            if self._clock() < self._open_until:
                return False
            self._open()  # for the others, while this command is tried
            return True

    def _record_failure(self, error: Exception) -> None:
        with self._lock:
            self._failures += 1
            if self._failures < FAILURES:
                return
            self._open()
            if self._failures == FAILURES:
                _log.warning("redis_unavailable", reason=redis_reason(error))

    def _record_success(self) -> None:
        with self._lock:
            if self._failures >= FAILURES:
                _log.info("redis_recovered")
            self._failures = 0

    def _open(self) -> None:
        self._open_until = self._clock() + random.uniform(*OPEN_FOR)  # noqa: S311 - spreads load, no secret
