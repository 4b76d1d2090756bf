"""Redis commands through a circuit breaker.

SQL is the source of truth for users and sessions; Redis makes requests faster. Connecting and each reply may take 100
ms. After three failures in a row the circuit opens: every command fails at once for one to two seconds. Then one
command is sent as a probe. If it succeeds, the circuit closes; else it stays open for one to two seconds more.
Callers continue without Redis: they use SQL, attempts are counted in memory, and revocations are published later.
"""

import random
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from chassis.clock import Clock
from chassis.redis_clients import REDIS_ERRORS, is_cluster, redis_client
from chassis.redis_reason import redis_reason

TIMEOUT = 0.1
"""Seconds to connect, and seconds for each reply."""
FAILURES = 3
"""Failures in a row that open the circuit."""
OPEN_SECONDS = (1.0, 2.0)
"""Least and most seconds that the circuit stays open. Random, so that the workers do not retry at the same time."""

UNCHECKED_SECONDS = 1.0
"""Seconds after its last use within which a connection is used again without a check that the server is there."""

Reply = TypeVar("Reply")
Command = tuple[str | int, ...]
_log = structlog.get_logger("redis")


class RedisUnavailable(Exception):
    """Redis did not reply, or replied with an error, or the circuit is open."""


class RedisClient:
    """Sends commands to Redis unless the circuit is open. Thread-safe."""

    def __init__(self, url: str, *, clock: Clock = time.monotonic) -> None:
        self._url = url
        self._is_cluster = is_cluster(url)
        self._redis: Redis | None = None
        self._connecting = threading.Lock()
        self._idle: list[tuple[Any, float]] = []
        """Idle connections of `send_pipeline`, each with the time of its last use."""
        self.run_command: Callable[[Callable[[Redis], Any], Redis], Any] | None = None
        """Calls each command with the client, if it is set, as tracing does."""
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until = 0.0

    @property
    def is_available(self) -> bool:
        """Return whether the circuit is closed."""
        return self._failures < FAILURES

    def call(self, command: Callable[[Redis], Reply], *, ignore_circuit: bool = False) -> Reply:
        """Call `command` with the Redis client and return its result. Raises RedisUnavailable.

        `ignore_circuit` sends the command although the circuit is open. It is for background threads, because no
        request waits for them.
        """
        if not (self._is_allowed() or ignore_circuit):
            raise RedisUnavailable
        try:
            redis = self._redis or self._connect()
            reply = command(redis) if self.run_command is None else self.run_command(command, redis)
        except REDIS_ERRORS as error:
            self._record_failure(error)
            raise RedisUnavailable from error
        if self._failures:
            self._record_success()
        return reply

    def send_pipeline(self, *commands: Command) -> list[object]:
        """Send commands in one round trip and return the reply to each. Raises RedisUnavailable.

        Every refresh uses it. The pipeline of redis-py takes five times as long, and its connection pool twice. Only
        a Cluster needs it, because the keys of the commands may be on different nodes.
        """

        def send_to_cluster(redis: Redis) -> list[object]:
            pipeline: Any = redis.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            return list(pipeline.execute())

        def send(redis: Redis) -> list[object]:
            connection = self._take_connection(redis)
            try:
                connection.connect()  # asks the Sentinels for the primary; nothing to do if it is connected
                connection.send_packed_command(connection.pack_commands(commands))
                replies = [connection.read_response() for _ in commands]
            except BaseException:
                # The next command would read the replies that are still unread.
                connection.disconnect()
                raise
            self._idle.append((connection, time.monotonic()))
            return replies

        return self.call(send_to_cluster if self._is_cluster else send)

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop()[0].disconnect()
        if self._redis is not None:
            self._redis.close()

    def _connect(self) -> Redis:
        """Create the client. That of a Cluster connects at once, so it is not created before the first command."""
        with self._connecting:
            if self._redis is None:
                self._redis = redis_client(
                    self._url,
                    decode_responses=True,
                    socket_timeout=TIMEOUT,
                    socket_connect_timeout=TIMEOUT,
                    retry=Retry(NoBackoff(), 0),
                    driver_info=None,  # or a new connection tells the version of redis-py: 0.3 ms and two commands
                )
            return self._redis

    def _take_connection(self, redis: Redis) -> Any:
        """Return an idle connection, or a new one."""
        try:
            connection, used_at = self._idle.pop()  # atomic, as `append` is
        except IndexError:
            connections = redis.connection_pool
            return connections.connection_class(**connections.connection_kwargs)
        if time.monotonic() - used_at > UNCHECKED_SECONDS and _is_unusable(connection):
            connection.disconnect()  # it connects again when it sends
        return connection

    def _is_allowed(self) -> bool:
        with self._lock:
            if self._failures < FAILURES:
                return True
            if self._clock() < self._open_until:
                return False
            self._open()  # other commands keep failing while this one probes
            return True

    def _record_failure(self, error: Exception) -> None:
        with self._lock:
            self._failures += 1
            if self._failures < FAILURES:
                return
            self._open()
            if self._failures == FAILURES:
                _log.warning("redis_unavailable", error=redis_reason(error))

    def _record_success(self) -> None:
        with self._lock:
            if self._failures >= FAILURES:
                _log.info("redis_recovered")
            self._failures = 0

    def _open(self) -> None:
        self._open_until = self._clock() + random.uniform(*OPEN_SECONDS)  # noqa: S311 - not a secret


def _is_unusable(connection: Any) -> bool:
    """Return whether the server has closed an idle connection, or has sent something that no command asked for."""
    try:
        return bool(connection.can_read())
    except REDIS_ERRORS:
        return True
